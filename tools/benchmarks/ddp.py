"""A training step in one process, and of the same batch shared out to two."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
import torch.distributed as dist
import torchreid

from ddan_torchreid.data.sampler import MultiDomainIdentitySampler

from .results import Result
from .sampler import CENTRE, SETS, synthetic_records
from .timing import Options, interleaved

TITLE = "wall time of a training step of MobileNetV2 x1.0, 64 images of 128x64, 3,704 identities"
CLOCK = "wall time"  # a processor's time is no measure of processes that run side by side
PROCESSES, INSTANCES = 2, 4
TIMEOUT = timedelta(minutes=2)
ALONE, APART, TOGETHER = "1 process", "2 processes, each on its own", "2 processes"
SHARDED = "2 processes, pool_sharding True"


def run(options: Options) -> Result:
    """Times one process, two that share nothing, and two that train one model, in turn.

    All processes live through the whole measurement, and those whose turn it is not wait. Two that
    share nothing, with half of the batch each, show what the machine gives to any two processes
    (its memory, its caches); what two that train one model need beyond is the price of gathering,
    of averaging gradients and of waiting for each other.
    """
    result = Result("ddp", TITLE)
    gpu = options.device.type == "cuda"
    if gpu and (gpus := torch.cuda.device_count()) < PROCESSES:
        result.add(TOGETHER, f"not measured: it needs {PROCESSES} GPUs, and there is {gpus}")
        return result
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        apart, joined = _start(stack), _start(stack)
        starting = _submit(apart, prepare_apart, options)
        _wait([*starting, *_submit(joined, prepare_joined, options, f"file://{folder}/group")])

        steps = 1 if options.tiny or not gpu else 10
        variants = {
            name: partial(_together, team, name, steps)
            for name, team in (
                (ALONE, apart[:1]),
                (APART, apart),
                (TOGETHER, joined),
                (SHARDED, joined),
            )
        }
        rounds = options.rounds_or(20 if gpu else 15)
        seconds = {
            name: [each / steps for each in measured]
            for name, measured in interleaved(variants, rounds, time.perf_counter).items()
        }
        _wait(_submit(joined, leave))
    result.compare(TOGETHER, seconds[TOGETHER], ALONE, seconds[ALONE])
    result.compare(f"{APART}, half the batch", seconds[APART], ALONE, seconds[ALONE])
    result.compare(
        f"{TOGETHER}: gathering, averaging, waiting", seconds[TOGETHER], APART, seconds[APART]
    )
    result.compare(SHARDED, seconds[SHARDED], TOGETHER, seconds[TOGETHER])
    each = "one GPU each, nccl" if gpu else f"{options.threads} thread(s) each, gloo"
    result.add("clock", f"{CLOCK}: processes run side by side; {each}")
    return result


def _start(stack: contextlib.ExitStack) -> list[ProcessPoolExecutor]:
    context = get_context("spawn")
    return [
        stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for _ in range(PROCESSES)
    ]


def _submit(
    team: list[ProcessPoolExecutor], function: Callable[..., object], *arguments: Any
) -> list[Future]:
    return [worker.submit(function, rank, *arguments) for rank, worker in enumerate(team)]


def _wait(answers: list[Future]) -> None:
    for answer in answers:
        answer.result()


def _together(team: list[ProcessPoolExecutor], name: str, steps: int) -> None:
    _wait(_submit(team, take_steps, name, steps))


# In a process that was started.

_steps: dict[str, Callable[[], object]] = {}


def prepare_apart(rank: int, options: Options) -> None:
    """Makes a process ready for steps of the whole batch and of its half of it, without a group."""
    _set_up(rank, options)
    if rank == 0:
        _steps[ALONE] = make_step(options, slice(None))
    _steps[APART] = make_step(options, slice(rank, None, PROCESSES))


def prepare_joined(rank: int, options: Options, meeting: str) -> None:
    """Joins the group, and makes a process ready for its part of a common step."""
    _set_up(rank, options)
    backend = "cpu:gloo,cuda:nccl" if options.device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, init_method=meeting, rank=rank, world_size=PROCESSES, timeout=TIMEOUT
    )
    part = slice(rank, None, PROCESSES)
    _steps[TOGETHER] = make_step(options, part)
    _steps[SHARDED] = make_step(options, part, pool_sharding=True)


def take_steps(_rank: int, name: str, steps: int) -> None:
    """Takes training steps, and waits until they are done."""
    for _ in range(steps):
        _steps[name]()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def leave(_rank: int) -> None:
    """Leaves the group."""
    _steps.clear()
    dist.destroy_process_group()


def _set_up(rank: int, options: Options) -> None:
    torch.set_num_threads(options.threads)
    if options.device.type == "cuda":
        torch.cuda.set_device(rank)
        torch.backends.cudnn.benchmark = True  # as torchreid's script sets it


def make_step(options: Options, part: slice, **settings: Any) -> Callable[[], object]:
    """One training step of our engine on a batch that stays the same.

    Args:
        options: of the command line.
        part: of the batch's identities, that this process has the images of.
        **settings: of the engine.
    """
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        engine = _make_engine(options, **settings)
    train = engine.train_loader.dataset.train
    batch = options.size(64, 16)
    chosen = torch.tensor(list(MultiDomainIdentitySampler(train, batch, INSTANCES))[:batch])
    own = [train[index] for index in chosen.view(-1, INSTANCES)[part].flatten().tolist()]
    size = (options.size(128, 64), options.size(64, 32))
    data = {
        "img": torch.randn(len(own), 3, *size, device=options.device),
        "pid": torch.tensor([record[1] for record in own]),
        "camid": torch.tensor([record[2] for record in own]),
        "impath": [record[0] for record in own],
        "dsetid": torch.tensor([record[3] for record in own]),
    }
    engine.set_model_mode("train")
    return lambda: engine.forward_backward(data)


def _make_engine(options: Options, **settings: Any) -> Any:
    """An engine in an epoch with every loss term, and with a pool that knows every identity."""
    names = [f"benchmark_{domain}" for domain in range(len(SETS))]
    records = synthetic_records(options.size(5, 400))
    for domain, name in enumerate(names):
        own = [record[:3] for record in records if record[3] == domain]
        first = min(record[1] for record in own)
        own = [(path, pid - first, camera) for path, pid, camera in own]
        dataset = partial(torchreid.data.ImageDataset, own, own[:1], own[1:2])
        with contextlib.suppress(ValueError):  # registered for this process's first engine
            torchreid.data.register_image_dataset(name, dataset)
    datamanager = torchreid.data.ImageDataManager(
        sources=names, workers=0, batch_size_train=16, use_gpu=False,
        train_sampler="RandomIdentitySampler", num_instances=INSTANCES,
    )  # fmt: skip
    identities = datamanager.num_train_pids
    model = torchreid.models.build_model(
        f"ddan_mobilenetv2_{'x0_35' if options.tiny else 'x1_0'}",
        num_classes=identities,
        loss="ddan",
        pretrained=False,
    ).to(options.device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    engine = torchreid.engine.ImageDDANEngine(
        datamanager, model, optimizer, use_gpu=options.device.type == "cuda",
        central_domain=names[CENTRE], **settings,
    )  # fmt: skip
    engine.epoch, engine.batch_idx = engine.settings.similarity_start_epoch, 0
    for part in torch.arange(identities, device=options.device).split(512):
        rows = torch.randn(len(part), engine.pool.representations.shape[1], device=options.device)
        engine.pool.update(rows, part)
    engine.pool.start_epoch()
    return engine
