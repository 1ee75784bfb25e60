"""A protocol's result as Markdown (which is also what the console shows), JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..system.files import replacing
from ..version import __version__
from .protocol import ProtocolResult, TargetResult
from .released_metrics import NOTE
from .scores import as_row

_DEVIATION = "± is the sample standard deviation over the splits, and over the targets in the mean"


def format_table(result: ProtocolResult) -> str:
    """Markdown: mean ± standard deviation in percent for each target, and their mean."""
    rows = [["target", "splits", *result.mean]]
    for name, target in result.targets.items():
        rows.append([name, str(len(target.scores)), *_cells(as_row(target.mean), target.std)])
    if len(result.targets) > 1:
        rows.append(["mean", "", *_cells(result.mean, result.std)])
    notes = [target.splits.note for target in result.targets.values() if target.splits.note]
    if any(column.startswith("legacy") for column in result.mean):
        notes.append(NOTE)
    if "±" in str(rows):
        notes.append(_DEVIATION)
    return "\n".join([_aligned(rows), *(f"\n{note}." for note in notes)])


def format_splits(result: ProtocolResult) -> str:
    """Markdown: the figures of every split, in percent."""
    rows = [["target", "split", "query", "gallery", *result.mean]]
    for name, target in result.targets.items():
        for split, query, gallery, row in _splits(target):
            rows.append([name, split, str(query), str(gallery), *_cells(row)])
    return _aligned(rows)


def _splits(target: TargetResult) -> list[tuple[str, int, int, dict[str, float]]]:
    """Of each split its name, the sizes of query and gallery, and its figures."""
    return [
        (split.name, len(split.query), len(split.gallery), as_row(scores))
        for split, scores in zip(target.splits.splits, target.scores, strict=True)
    ]


def _cells(means: dict[str, float], deviations: dict[str, float] | None = None) -> list[str]:
    cells = []
    for column, mean in means.items():
        deviation = (deviations or {}).get(column, math.nan)
        spread = "" if math.isnan(deviation) else f" ± {100 * deviation:.1f}"
        cells.append(f"{100 * mean:.1f}{spread}")
    return cells


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_json(result: ProtocolResult) -> dict[str, Any]:
    """Plain numbers (fractions; None for the deviation of a single split), splits' hashes."""
    targets = {
        name: {
            "mean": as_row(target.mean),
            "std": _without_nan(target.std),
            "splits": [
                {"name": split, "query": query, "gallery": gallery, **row}
                for split, query, gallery, row in _splits(target)
            ],
            "origin": target.splits.origin,
            "sha256": target.splits.sha256,
            "note": target.splits.note,
        }
        for name, target in result.targets.items()
    }
    return {
        "targets": targets,
        "mean": result.mean,
        "std": _without_nan(result.std),
        "images": result.images,
        "versions": {"ddan_torchreid": __version__, "torch": torch.__version__},
    }


def _without_nan(values: dict[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in values.items()}


def format_csv(result: ProtocolResult) -> str:
    """A line for every split, and ``mean`` and ``std`` of every target and of all; fractions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["target", "split", "query", "gallery", *result.mean])
    for name, target in result.targets.items():
        for *split, row in _splits(target):
            writer.writerow([name, *split, *row.values()])
        writer.writerow([name, "mean", "", "", *as_row(target.mean).values()])
        writer.writerow([name, "std", "", "", *target.std.values()])
    writer.writerow(["all", "mean", "", "", *result.mean.values()])
    writer.writerow(["all", "std", "", "", *result.std.values()])
    return text.getvalue()


def write_results(result: ProtocolResult, folder: str | Path) -> None:
    """Writes ``results.json``, ``.csv`` and ``.md``, and ``splits/<dataset>.json`` of each target.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = Path(folder)
    for name, text in (
        ("results.json", json.dumps(as_json(result), indent=2) + "\n"),
        ("results.csv", format_csv(result)),
        ("results.md", f"{format_table(result)}\n\n{format_splits(result)}\n"),
    ):
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for name, target in result.targets.items():
        target.splits.write(folder / "splits" / f"{name}.json")
