"""Runs a function in several processes that form a gloo group, on this machine's CPU."""

from __future__ import annotations

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

SECONDS = 120


def run(processes: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Returns what the function returned in each process.

    The processes are forked, so they start at once and share what the test has made.

    Raises:
        AssertionError: the function failed in a process; with its traceback.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        running = [
            context.Process(
                target=_process, args=(rank, processes, Path(folder), function, arguments)
            )
            for rank in range(processes)
        ]
        for process in running:
            process.start()
        for process in running:
            process.join(SECONDS)
        for process in running:
            process.kill()
        errors = [path.read_text() for path in sorted(Path(folder).glob("error-*"))]
        assert not errors, "\n".join(errors)
        return [
            torch.load(Path(folder) / f"result-{rank}", weights_only=False)
            for rank in range(processes)
        ]


def _process(
    rank: int, processes: int, folder: Path, function: Callable[..., Any], arguments: Any
) -> None:
    try:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/group",
            rank=rank,
            world_size=processes,
            timeout=timedelta(seconds=SECONDS / 2),
        )
        # A process that refuses at once must not be gone before the others have found it.
        dist.barrier()
        torch.save(function(*arguments), folder / f"result-{rank}")
        dist.destroy_process_group()
    except BaseException:
        (folder / f"error-{rank}").write_text(traceback.format_exc())
        raise
