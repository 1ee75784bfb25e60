"""The tables of an experiment, as Markdown and CSV, from its records."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import paper
from .ablation import short
from .records import Record
from .rows import TITLES, pairs
from .statistics import Interval, bootstrap_interval, crossed_interval
from .structure_tables import distance_tables, triple_tables

METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
MEAN = "mean"

Results = dict[str, list[Record]]


def summarise(experiment: str, records: Sequence[Record]) -> tuple[str, str]:
    """Markdown and CSV of an experiment.

    Args:
        experiment: its name.
        records: one for each row and seed, in the order of the rows.
    """
    results: Results = {}
    for record in records:
        results.setdefault(record["row"], []).append(record)
    parts = [f"# {TITLES[experiment]}"]
    if experiment == "table2":
        parts += distance_tables(results)
    else:
        if experiment == "table4":
            parts += triple_tables(results)
        for group in _groups(results):
            parts += _score_tables(experiment, group)
        parts += _difference_table(experiment, results)
    parts += _notes(experiment, records)
    return "\n\n".join(parts) + "\n", _csv(experiment, results)


def _groups(results: Results) -> list[Results]:
    """Rows with the same targets: a table has one set of columns."""
    groups: dict[tuple[str, ...], Results] = {}
    for row, records in results.items():
        groups.setdefault(tuple(records[0]["targets"]), {})[row] = records
    return list(groups.values())


def cells(records: Sequence[Record], metric: str) -> NDArray[np.float64]:
    """(seeds, targets) of one row in percent, without the runs that failed."""
    rows = [
        [record["scores"][target].get(metric, np.nan) for target in record["targets"]]
        for record in records
        if record["scores"]
    ]
    return 100 * np.array(rows, dtype=np.float64).reshape(len(rows), len(records[0]["targets"]))


def spread(values: NDArray[np.float64]) -> str:
    """Mean, and standard deviation where there are several."""
    if not len(values):
        return "failed"
    deviation = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{deviation}"


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is left-aligned and whose others are right-aligned."""
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join(["| " + " | ".join(header) + " |", rule]
                     + ["| " + " | ".join(line) + " |" for line in lines])  # fmt: skip


def _score_tables(experiment: str, results: Results) -> list[str]:
    first = next(iter(results.values()))[0]
    targets = first["targets"]
    shown = ("rank-1", "rank-5", "rank-10", "mAP") if experiment == "table1" else ("rank-1", "mAP")
    parts = []
    for metric in shown:
        lines = []
        for row, records in results.items():
            values = cells(records, metric)
            columns = [spread(column) for column in values.T] if len(values) else []
            columns = columns or ["failed"] * len(targets)
            lines.append([records[0]["label"], *columns, spread(values.mean(1))])
            if metric == "rank-1":
                lines += _paper_line(experiment, row, targets)
        header = [f"{metric} (%)", *map(short, targets), MEAN]
        parts.append(markdown(header, lines))
    if first["domains"] == "rendered":
        parts += _paper_table(experiment, results)
    return parts


def _paper_line(experiment: str, row: str, targets: Sequence[str]) -> list[list[str]]:
    printed = [paper.rank1(experiment, row, target) for target in targets]
    known = [value for value in printed if value is not None]
    if len(known) < len(targets):
        return []
    return [["— the paper's", *(f"{value:.1f}" for value in known), f"{np.mean(known):.1f}"]]


def _paper_table(experiment: str, results: Results) -> list[str]:
    labels = {row: records[0]["label"] for row, records in results.items()}
    if experiment == "table3":
        labels = dict.fromkeys(paper.SOURCES) | {"pairwise": "All domains"}
    lines = [
        [label or row, *cells]
        for row, label in labels.items()
        for _, *cells in _paper_line(experiment, row, paper.TARGETS)
    ]
    if not lines:
        return []
    table = markdown(["paper, rank-1 (%)", *paper.TARGETS, MEAN], lines)
    return [f"The paper's numbers, for the real datasets:\n\n{table}"]


def _difference_table(experiment: str, results: Results) -> list[str]:
    lines = []
    for a, b in pairs(experiment, list(results)):
        for metric in ("rank-1", "mAP"):
            differences = paired(results[a], results[b], metric)
            if differences is None:
                continue
            free, crossed = bootstrap_interval(differences), crossed_interval(differences)
            if len(differences) < 2:
                free = crossed  # one seed says nothing of the next one
            lines.append([f"{b} - {a}", metric, f"{free.mean:+.2f}", _ends(free), _ends(crossed)])
    if not lines:
        return []
    header = ["difference (points)", "of", "mean", "95 % interval", "seeds and targets drawn"]
    text = (
        "Paired differences over seeds x targets, with 95 % bootstrap intervals: over all cells "
        "by themselves, and over whole seeds and whole targets (wider: cells of one seed share a "
        "model)."
    )
    return [text, markdown(header, lines)]


def paired(a: Sequence[Record], b: Sequence[Record], metric: str) -> NDArray[np.float64] | None:
    """(seeds, targets) of b - a in points, over the seeds that both have; None without any."""
    scored = {record["seed"]: record for record in b if record["scores"]}
    both = [(one, scored[one["seed"]]) for one in a if one["scores"] and one["seed"] in scored]
    if not both or any(one["targets"] != other["targets"] for one, other in both):
        return None
    first, second = (cells(side, metric) for side in zip(*both, strict=True))
    return second - first


def _ends(interval: Interval) -> str:
    return f"{interval.low:+.2f} to {interval.high:+.2f}" if np.isfinite(interval.low) else "-"


def _notes(experiment: str, records: Sequence[Record]) -> list[str]:
    if not records:
        return ["No runs."]
    seeds = sorted({record["seed"] for record in records})
    steps = sorted({record["steps"] for record in records})
    lines = [
        f"{len(records)} runs, seeds {seeds[0]} to {seeds[-1]}, "
        f"{' or '.join(map(str, steps))} steps each, "
        f"{sum(record['seconds'] for record in records):.0f} s of training and scoring on "
        f"{'; '.join(sorted({record['machine'] for record in records}))}."
    ]
    if experiment in ("table1", "protocol"):
        lines.append(paper.LEGACY_NOTE)
    for record in records:
        if "failed" in record:
            lines.append(f"{record['label']}, seed {record['seed']}, failed: {record['failed']}.")
    different = sorted({record["counts_differ"] for record in records if "counts_differ" in record})
    lines += [f"Other counts than the published ones: {text}." for text in different]
    return lines


def _csv(experiment: str, results: Results) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("row", "label", "target", "metric", "mean", "std", "seeds", "paper"))
    for row, records in results.items():
        targets = records[0]["targets"]
        for metric in METRICS:
            values = cells(records, metric)
            if not values.size or np.isnan(values).any():
                continue
            columns = dict(zip((*targets, MEAN), (*values.T, values.mean(1)), strict=True))
            for target, column in columns.items():
                deviation = f"{column.std(ddof=1):.4f}" if len(column) > 1 else ""
                printed = paper.rank1(experiment, row, target) if metric == "rank-1" else None
                head = (row, records[0]["label"], target, metric)
                writer.writerow(
                    (*head, f"{column.mean():.4f}", deviation, len(column), printed or "")
                )
    return file.getvalue()
