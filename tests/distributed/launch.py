"""Runs a function in several processes that form a gloo group, on this machine's CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes

# After which a process that waits for another one fails.
PATIENCE = timedelta(seconds=60)

# A process whose autograd has started threads cannot be forked. The first backward pass decides on
# that: on a CPU it starts none, unless torch.compile or torch.export have been used before it.
torch.zeros(1, requires_grad=True).backward()


def run(processes: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Returns what the function returned in each process.

    The processes are forked, so they start at once and share what the test has made.

    Raises:
        Exception: the function failed in a process; with its traceback.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_processes(
            _process, (processes, folder, function, arguments), processes, start_method="fork"
        )
        return [
            torch.load(folder / f"result-{rank}", weights_only=False) for rank in range(processes)
        ]


def _process(
    rank: int, processes: int, folder: Path, function: Callable[..., Any], arguments: Any
) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/group",
        rank=rank,
        world_size=processes,
        timeout=PATIENCE,
    )
    # A process that refuses at once must not be gone before the others have found it.
    dist.barrier()
    torch.save(function(*arguments), folder / f"result-{rank}")
    dist.destroy_process_group()
