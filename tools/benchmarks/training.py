"""torchreid's ImageTripletEngine and ours on the same backbone and batch."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import torch
import torchreid

from ddan_torchreid.data.sampler import MultiDomainIdentitySampler

from .sampler import CENTRE, SETS, synthetic_records
from .timing import Options

THEIRS, THEIRS_CHANNELS_LAST = "torchreid", "torchreid, channels_last"
OURS, OURS_FULL_PRECISION = "ours", "ours, float32, cuda_graphs off"
EAGER, COMPILED = "ours, cuda_graphs off", "ours, compile True"
# Of our engine, by what is measured. Where there is no GPU the defaults are float32 and no graphs.
OUR_OPTIONS: dict[str, dict[str, Any]] = {
    OURS: {},
    OURS_FULL_PRECISION: {"amp": "off", "cuda_graphs": "off"},
    EAGER: {"cuda_graphs": "off"},
    COMPILED: {"compile": True},
}
NAMES = tuple(f"benchmark_{domain}" for domain in range(len(SETS)))


def make_step(kind: str, options: Options) -> Callable[[], Any]:
    """One training step of an engine on a batch that stays the same.

    Args:
        kind: one of the six above.
        options: of the command line.
    """
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        datamanager = make_datamanager(options)
        engine = make_engine(kind, datamanager, options)
    train = datamanager.train_loader.dataset.train
    batch = options.size(64, 16)
    chosen = list(MultiDomainIdentitySampler(train, batch, 4))[:batch]
    data: dict[str, Any] = {
        "img": torch.randn(batch, 3, *_image_size(options), device=options.device),
        "pid": torch.tensor([train[index][1] for index in chosen]),
        "camid": torch.tensor([train[index][2] for index in chosen]),
        "impath": [train[index][0] for index in chosen],
        "dsetid": torch.tensor([train[index][3] for index in chosen]),
    }
    engine.set_model_mode("train")
    if kind != THEIRS_CHANNELS_LAST:
        return lambda: engine.forward_backward(data)

    def step() -> Any:
        # Images come from the loader in the other format; our engine converts them too.
        images = data["img"].contiguous(memory_format=torch.channels_last)
        return engine.forward_backward(data | {"img": images})

    return step


def _image_size(options: Options) -> tuple[int, int]:
    return (options.size(256, 64), options.size(128, 32))


def make_datamanager(options: Options) -> Any:
    """A data manager over records in the numbers of the paper's sources; no image exists."""
    records = synthetic_records(options.size(1, 400))
    for domain, name in enumerate(NAMES):
        own = [record[:3] for record in records if record[3] == domain]
        first = min(record[1] for record in own)
        own = [(path, pid - first, camera) for path, pid, camera in own]
        with contextlib.suppress(ValueError):  # registered by an earlier call
            torchreid.data.register_image_dataset(name, _dataset_class(own))
    height, width = _image_size(options)
    return torchreid.data.ImageDataManager(
        sources=list(NAMES), height=height, width=width, workers=0, batch_size_train=16,
        use_gpu=False, train_sampler="RandomIdentitySampler", num_instances=4,
    )  # fmt: skip


def _dataset_class(records: list[tuple[str, int, int]]) -> type:
    class Records(torchreid.data.ImageDataset):
        def __init__(self, root: str = "", **options: Any) -> None:
            super().__init__(records, records[:1], records[1:2], **options)

    return Records


def make_engine(kind: str, datamanager: Any, options: Options) -> Any:
    """An engine in an epoch with every loss term, and with a pool that knows every identity."""
    ours = kind in OUR_OPTIONS
    model = torchreid.models.build_model(
        f"ddan_mobilenetv2_{'x0_35' if options.tiny else 'x1_0'}",
        num_classes=datamanager.num_train_pids,
        loss="ddan" if ours else "triplet",
        pretrained=False,
    ).to(options.device)
    if kind == THEIRS_CHANNELS_LAST:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    use_gpu = options.device.type == "cuda"
    if not ours:
        return torchreid.engine.ImageTripletEngine(datamanager, model, optimizer, use_gpu=use_gpu)
    engine = torchreid.engine.ImageDDANEngine(
        datamanager, model, optimizer, use_gpu=use_gpu, central_domain=NAMES[CENTRE],
        **OUR_OPTIONS[kind],
    )  # fmt: skip
    engine.epoch, engine.batch_idx = engine.settings.similarity_start_epoch, 0
    for part in torch.arange(datamanager.num_train_pids, device=options.device).split(512):
        rows = torch.randn(len(part), engine.pool.representations.shape[1], device=options.device)
        engine.pool.update(rows, part)
    engine.pool.start_epoch()
    return engine
