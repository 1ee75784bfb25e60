"""The small synthetic domains of ``small_root``, and a configuration that trains on them."""

from __future__ import annotations

from pathlib import Path

SOURCES = ["plaza", "mall", "film"]
TARGETS = ["snow", "night"]
CONFIG = str(Path(__file__).with_name("synthetic.yaml"))


def flags(root: str | Path, *names: str) -> list[str]:
    """``--dataset NAME=PATH`` of each domain, by default of all, for a process of its own."""
    return [
        word
        for name in names or (*SOURCES, *TARGETS)
        for word in ("--dataset", f"{name}={root}/{name}")
    ]
