"""How much memory there is for this process, as the system and its control groups say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Limit, use, and the line of memory.stat with the cache that gives way, of versions 1 and 2.
_FILES = {
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "": ("memory.max", "memory.current", "inactive_file"),
}


def available(system: Path = Path("/")) -> int | None:
    """Bytes of memory, swap included, that can still be taken; None where nothing says so.

    Where the system does not say what is free, as macOS, it is all that the machine has.

    Args:
        system: where ``proc`` and ``sys`` are.
    """
    found = [*_machine(system), *_groups(system)]
    return max(0, min(found)) if found else None


def _machine(system: Path) -> Iterator[int]:
    try:
        lines = (system / "proc/meminfo").read_text().splitlines()
        sizes = {key: int(rest.split()[0]) * 1024 for key, rest in (x.split(":") for x in lines)}
        yield sizes["MemAvailable"] + sizes["SwapFree"]
    except (OSError, ValueError, KeyError, IndexError):
        if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _groups(system: Path) -> Iterator[int]:
    """What each control group that the process is in has left."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        kind = "memory" if "memory" in controllers.split(",") else controllers
        if kind not in _FILES:
            continue
        limit, use, cache = _FILES[kind]
        mount = system / "sys/fs/cgroup" / kind
        # In a container the path may be the machine's, of which only the mount itself is there.
        place = mount / path.strip("/")
        for folder in (place, *(each for each in place.parents if each.is_relative_to(mount))):
            try:
                statistics = dict(
                    line.split() for line in (folder / "memory.stat").read_text().splitlines()
                )
                used = int((folder / use).read_text()) - int(statistics[cache])
                yield int((folder / limit).read_text()) - used  # or "max"
            except (OSError, ValueError, KeyError):
                continue
