"""The processes that ``torchrun`` started: their group, their devices, and how they end."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist

# How long a process waits for an answer of another one: longer than anything that the first one
# does while the others wait for it.
TIMEOUT = timedelta(minutes=10)


def launched() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def active() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, 0 to ``size() - 1``."""
    return dist.get_rank() if active() else 0


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if active() else 1


def is_first() -> bool:
    """Whether this process is the one that prints and writes files."""
    return rank() == 0


@contextlib.contextmanager
def process_group() -> Iterator[None]:
    """Joins the processes that ``torchrun`` started, for as long as the block runs.

    Tensors on a GPU travel through NCCL, those on the CPU through gloo. Only the first process
    prints and shows warnings. When a process fails all others end too, and only the one that
    failed first raises its error: the rest raise ``SystemExit(1)``. Without ``torchrun`` nothing
    happens.

    Raises:
        ConnectionError: another process ended or did not answer, and did not say why.
        ValueError: the environment does not describe a group of processes.
    """
    if not launched() or dist.is_initialized():
        yield
        return
    store = _join()
    try:
        with contextlib.nullcontext() if is_first() else _quiet():
            yield
    except SystemExit:  # an end that all have agreed on, such as after a signal
        dist.destroy_process_group()
        raise
    except BaseException as error:
        if not _first_to_fail(store):
            raise SystemExit(1) from None
        # What Gloo and NCCL raise: their own kinds, or from Gloo a plain RuntimeError.
        plain = type(error) is RuntimeError and "gloo" in str(error)
        if plain or isinstance(error, dist.DistError):
            raise ConnectionError(
                "another process of this run ended or does not answer, so this one stopped; "
                "training goes on from the last checkpoint with --resume"
            ) from error
        raise
    # Not after an error: the end of the process tells the others, and NCCL would wait for them.
    dist.destroy_process_group()


def may_report() -> bool:
    """Whether to print an error that comes before the group exists: it is the same everywhere."""
    return not launched() or dist.is_initialized() or os.environ["RANK"] == "0"


def device(use_gpu: bool) -> torch.device:
    """The device of this process: its own GPU, by ``LOCAL_RANK``, or the CPU.

    Raises:
        ValueError: this machine has fewer GPUs than processes.
    """
    if not (use_gpu and torch.cuda.is_available()):
        return torch.device("cpu")
    if not active():
        return torch.device("cuda")
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", rank())), torch.cuda.device_count()
    if local_rank >= gpus:
        raise ValueError(
            f"process {local_rank} of this machine has no GPU, there are {gpus}; "
            f"write --nproc-per-node {gpus} or less, or use_gpu False"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """Runs a block in the first process, then once on each other machine, then in all the others.

    For what makes files at first use, as some datasets do.
    """
    turn = 0 if is_first() else 1 if os.environ.get("LOCAL_RANK") == "0" else 2
    for current in range(3 if active() else 1):
        if current == turn:
            yield
        if active():
            dist.all_reduce(torch.zeros(1))  # a barrier; dist.barrier would take a GPU


def _join() -> dist.Store:
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, number, count = next(dist.rendezvous("env://", timeout=TIMEOUT))
        groups = dist.PrefixStore("group", store)
        dist.init_process_group(
            backend, store=groups, rank=number, world_size=count, timeout=TIMEOUT
        )
        # A barrier: one that fails at once must not be gone before the others are connected, or
        # they would report that.
        dist.all_reduce(torch.zeros(1))
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"the processes cannot be joined: {' '.join(str(error).split())}; "
            "start them with torchrun --nproc-per-node N -m ddan_torchreid train ..."
        ) from None
    return store


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        open(os.devnull, "w", errors="replace") as nowhere,
        contextlib.redirect_stdout(nowhere),
        warnings.catch_warnings(action="ignore"),
    ):
        yield


def _first_to_fail(store: dist.Store) -> bool:
    try:
        return store.add("failed", 1) == 1
    except RuntimeError:  # the process that kept the store is gone
        return True
