"""Results of a measurement as plain data, and as text and Markdown tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from machine import git_state, processor

from . import BENCHMARKS, ON_GPU

PACKAGES = ("torch", "torchvision", "torchreid", "numpy", "opencv-python-headless", "pillow", "POT")
_RATIO_HEAD = ("what", "ours", "of", "ratio (quartiles)", "reach")
_FIGURE_HEAD = ("what", "figure", "reach")


@dataclass
class Result:
    """What one measurement found.

    Attributes:
        name: of the sub-command.
        title: what was measured.
        ratios: comparisons of two lists of seconds.
        figures: everything else.
    """

    name: str
    title: str
    ratios: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def compare(
        self,
        what: str,
        ours: Sequence[float],
        peer_name: str,
        peer: Sequence[float],
        reach: float | None = None,
    ) -> None:
        """Adds the ratio of our seconds to a peer's, round by round.

        Args:
            what: was measured.
            ours: seconds of each round.
            peer_name: what ours is compared with.
            peer: seconds of each round.
            reach: the ratio that is wanted at the most.
        """
        ratios = np.divide(ours, peer)
        self.ratios.append(
            {
                "what": what,
                "peer": peer_name,
                "ours_seconds": list(ours),
                "peer_seconds": list(peer),
                "ratio": np.quantile(ratios, [0.25, 0.5, 0.75]).tolist(),
                "reach": reach,
            }
        )

    def add(self, what: str, figure: str, reach: str = "") -> None:
        """Adds a figure with its unit, and what is wanted of it."""
        self.figures.append({"what": what, "figure": figure, "reach": reach})


def machine(device: torch.device, threads: int) -> dict[str, str]:
    """The machine, the commit, the versions and the settings that the times depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "processor": f"{processor()}, {os.cpu_count()} CPUs, {memory:.0f} GiB, {threads} thread(s)",
        "time": "CPU time" if device.type == "cpu" and threads == 1 else "wall time",
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    state = git_state()
    if state["commit"]:
        found["commit"] = state["commit"][:7] + (" with changes" if state["dirty"] else "")
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def as_text(run: dict[str, Any]) -> str:
    """Tables for a console of one run: the dict that is also written as JSON."""
    lines = [_machine_line(run["machine"])]
    for result in run["results"]:
        lines += ["", f"{result['name']}: {result['title']}"]
        for head, rows in _tables(result):
            widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
            lines += [
                "  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)
            ]
    return "\n".join(lines)


def as_markdown(runs: Sequence[dict[str, Any]]) -> str:
    """The page of all runs, one for each machine."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `tools/benchmark.py`, not by hand. A ratio is our time divided by the peer's,",
        "round by round in one run that takes them in turn: the median, with the quartiles in",
        "brackets. Times are medians. Below 1 we are faster.",
    ]
    for run in runs:
        alone = f": {run['results'][0]['name']}" if len(run["results"]) == 1 else ""
        lines += ["", f"## On {'a GPU' if 'gpu' in run['machine'] else 'a CPU'}{alone}", ""]
        lines += [f"`{run['command']}`", "", _machine_line(run["machine"])]
        if missing := _missing(run):
            lines += ["", f"Not measured in this run: {', '.join(missing)}."]
        for result in run["results"]:
            lines += ["", f"### {result['name']}: {result['title']}"]
            for head, rows in _tables(result):
                lines += ["", _markdown_row(head), _markdown_row(["---"] * len(head))]
                lines += map(_markdown_row, rows)
    return "\n".join(lines) + "\n"


def _missing(run: dict[str, Any]) -> list[str]:
    """What a run of all measurements did not come to."""
    if "all" not in run["command"].split():
        return []
    done = {result["name"] for result in run["results"]}
    wanted = ON_GPU if "gpu" in run["machine"] else BENCHMARKS
    return [name for name in wanted if name not in done]


def _machine_line(found: dict[str, str]) -> str:
    first = [found[key] for key in ("processor", "gpu", "time") if key in found]
    rest = [f"{key} {value}" for key, value in found.items() if value not in first]
    return "; ".join([*first, ", ".join(rest)])


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tables(result: dict[str, Any]) -> list[tuple[Sequence[str], list[list[str]]]]:
    """Head and rows of the tables of one result that have any rows."""
    ratios = []
    for row in result["ratios"]:
        low, middle, high = (f"{ratio:.3g}" for ratio in row["ratio"])
        ours, peer = (
            _duration(float(np.median(row[key]))) for key in ("ours_seconds", "peer_seconds")
        )
        reach = "" if row["reach"] is None else f"<= {row['reach']:g}"
        if row["reach"] is not None and row["ratio"][1] > row["reach"]:
            reach += ", missed"
        ratios.append(
            [row["what"], ours, f"{row['peer']}: {peer}", f"{middle} ({low} to {high})", reach]
        )
    figures = [[row["what"], row["figure"], row["reach"]] for row in result["figures"]]
    return [(head, rows) for head, rows in ((_RATIO_HEAD, ratios), (_FIGURE_HEAD, figures)) if rows]


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"
