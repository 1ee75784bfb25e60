"""Peak memory of a function, in a process of its own."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function of a module, with the allocator as users have it.

    Raises:
        BrokenProcessPool: the process was killed, as for want of memory.
    """
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MALLOC_")}
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
            return executor.submit(function, *arguments).result()
    finally:
        os.environ.update(kept)


def resident() -> int:
    """Bytes of this process in memory now."""
    return _status("VmRSS") or peak()


def peak() -> int:
    """Bytes that this process has had in memory at the most."""
    # ru_maxrss also counts what the parent had when it started this process.
    most = _status("VmHWM")
    if most is not None:
        return most
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def available() -> int | None:
    """Bytes that this machine has to give; None where it does not tell."""
    file = Path("/proc/meminfo")
    return _field(file, "MemAvailable") if file.exists() else None


def _status(name: str) -> int | None:
    file = Path("/proc/self/status")
    return _field(file, name) if file.exists() else None


def _field(file: Path, name: str) -> int:
    (line,) = [line for line in file.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
