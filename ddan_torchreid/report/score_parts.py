"""Sections' parts on scores: tables with the paper's numbers beside, differences, sweeps."""

from __future__ import annotations

import numpy as np

from ..experiments import paper
from ..experiments.ablation import short
from . import plots
from .blocks import Block, Heading, Paragraph, Picture, Pictures, Table
from .comparison import DASH, between, comparisons, mean_std, signed, title, verdict
from .results import Experiment, Row

METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")
_SPREAD = "mean ± standard deviation over the seeds"


def differences(experiment: Experiment) -> list[Block]:
    """The paired differences that the experiment is about, as a picture and as a table."""
    found = comparisons(experiment, "rank-1")
    if not found:
        return []
    in_map = {title(each): each for each in comparisons(experiment, "mAP")}
    rows = []
    for each in found:
        other = in_map.get(title(each))
        rows.append(
            [
                title(each),
                signed(each.interval.mean),
                between(each.interval),
                signed(other.interval.mean) if other else DASH,
                between(other.interval) if other else DASH,
                each.runs,
                verdict(each.interval, len(each.cells)),
            ]
        )
    columns = ("difference", "rank-1", "95 % CI", "mAP", "95 % CI", "runs", "rank-1 is")
    picture = Picture(
        plots.differences(found, "rank-1"),
        "svg",
        f"{experiment.name}-differences",
        "Differences in mean rank-1 with their intervals; the numbers are in the table.",
        "Diamond: mean difference, filled where its 95 % interval leaves out zero. Line: the "
        "interval. Dots: each target, mean over the seeds.",
    )
    return [
        Heading("Paired differences"),
        Pictures([picture]),
        Table(
            columns,
            rows,
            "Differences in percentage points between runs with the same seed, mean over seeds and "
            "targets. Intervals: bootstrap that draws whole seeds and whole targets.",
        ),
    ]


def scores(experiment: Experiment, pictures: bool = True) -> list[Block]:
    """Every row's scores: rank-1 by target beside the paper's, and all metrics' means."""
    rows = [row for row in experiment.rows.values() if row.finished]
    failed = [
        f"{row.label}: {len(row.records) - len(row.finished)} of {len(row.records)} runs have no "
        f"scores ({next(iter(_reasons(row)), 'no reason recorded')})."
        for row in experiment.rows.values()
        if len(row.finished) < len(row.records)
    ]
    notes: list[Block] = [Paragraph(text) for text in failed]
    if not rows:
        return notes
    metrics = [m for m in METRICS if any(row.mean_per_seed(m).size for row in rows)]
    blocks: list[Block] = [Heading("Scores"), *notes]
    if pictures and not any("parameter" in record for record in experiment.records):
        plotted = [
            Picture(
                plots.by_target(experiment, metric),
                "svg",
                f"{experiment.name}-{metric}",
                f"{metric} of each row on each target; the numbers are in the table.",
                f"Each row's {metric} on each target: {_SPREAD}.",
            )
            for metric in ("rank-1", "mAP")
            if metric in metrics
        ]
        blocks.append(Pictures(plotted))
    blocks.append(_rank1_table(experiment, rows))
    if metrics:
        means = [
            [row.label, *(mean_std(row.mean_per_seed(m)) for m in metrics), str(len(row.finished))]
            for row in rows
        ]
        caption = f"Means over the targets in percent: {_SPREAD}."
        if len({len(row.finished) for row in rows}) > 1:
            caption += (
                " Rows with different numbers of seeds have means over different runs: the paired "
                "differences compare like with like."
            )
        blocks.append(Table(("row", *metrics, "seeds"), means, caption))
    return [*blocks, *_split_spread(experiment), *_published(experiment)]


def sweeps(experiment: Experiment) -> list[Block]:
    """Figure 3: rank-1 and mAP along each parameter."""
    pictures: list[Picture] = []
    for name in dict.fromkeys(
        record["parameter"]["name"] for record in experiment.records if "parameter" in record
    ):
        rows = swept(experiment, name)
        for metric in ("rank-1", "mAP"):
            if not any(row.mean_per_seed(metric).size for row in rows):
                continue
            words = plots.PARAMETERS.get(name, name)
            pictures.append(
                Picture(
                    plots.sweep(rows, metric),
                    "svg",
                    f"{experiment.name}-{len(pictures)}-{metric}",
                    f"{metric} against {words}; the numbers are in the table.",
                    f"{metric} against {words}. Error bars: standard deviation over the seeds.",
                )
            )
    return [Heading("Curves of k and tau"), Pictures(pictures)] if pictures else []


def swept(experiment: Experiment, name: str) -> list[Row]:
    """The rows that vary a parameter, by its value."""
    rows = [
        row
        for row in experiment.rows.values()
        if row.records[0].get("parameter", {}).get("name") == name
    ]
    return sorted(rows, key=lambda row: row.records[0]["parameter"]["value"])


def _rank1_table(experiment: Experiment, rows: list[Row]) -> Table:
    columns, numbers = ["row"], [[row.label] for row in rows]
    for target in experiment.targets:
        columns.append(short(target))
        for line, row in zip(numbers, rows, strict=True):
            line.append(mean_std(row.per_seed(target, "rank-1")))
        printed = [paper.rank1(experiment.name, row.key, target) for row in rows]
        if any(value is not None for value in printed):
            columns.append("paper")
            for line, number in zip(numbers, printed, strict=True):
                line.append(_or_dash(number))
    columns.append("mean")
    for line, row in zip(numbers, rows, strict=True):
        line.append(mean_std(row.mean_per_seed("rank-1")))
    caption = f"Rank-1 in percent: {_SPREAD}."
    printed = [_paper_mean(experiment.name, row.key) for row in rows]
    if sum(value is not None for value in printed) > 1:
        real = "paper" in columns
        columns.append("paper" if real else "paper, real data")
        for line, number in zip(numbers, printed, strict=True):
            line.append(_or_dash(number))
        if not real:
            caption += (
                " Paper: its mean over VIPeR, PRID, GRID and i-LIDS after training on real "
                "datasets; only the order of the rows compares, not the numbers."
            )
    if experiment.name == "table1":
        caption += f" {paper.LEGACY_NOTE}"
    return Table(columns, numbers, caption)


def _paper_mean(experiment: str, row: str) -> float | None:
    values = [paper.rank1(experiment, row, target) for target in paper.TARGETS]
    return None if None in values else float(np.mean(values))  # type: ignore[arg-type]


def _published(experiment: Experiment) -> list[Block]:
    # Where the rows are domains, drawn ones have none of the paper's rows beside them.
    if experiment.name != "table3" or not experiment.drawn:
        return []
    rows = [
        [{"pairwise": "All domains"}.get(row, row), *map(str, values), f"{np.mean(values):.1f}"]
        for row, values in paper.TABLE3.items()
    ]
    columns = ("central domain", *paper.TARGETS, "mean")
    return [Table(columns, rows, "The paper's Table 3, on real datasets: rank-1 in percent.")]


def _split_spread(experiment: Experiment) -> list[Block]:
    found: dict[str, list[float]] = {}
    for record in experiment.records:
        for target, each in record.get("scores", {}).items():
            if "rank-1" in each.get("std", {}):
                found.setdefault(target, []).append(each["std"]["rank-1"])
    if not found:
        return []
    words = ", ".join(f"{short(name)} {100 * np.mean(each):.1f}" for name, each in found.items())
    text = f"Standard deviation of rank-1 over a run's splits, mean over the runs: {words} points."
    return [Paragraph(text, quiet=True)]


def _reasons(row: Row) -> list[str]:
    return [record["failed"] for record in row.records if record.get("failed")]


def _or_dash(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"
