"""Sections' parts on new people of the sources: does a term recognise or generalise better?"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..experiments.ablation import ABLATION
from ..experiments.rows import pairs
from ..experiments.statistics import seed_interval
from .blocks import Block, Finding, Heading, Table
from .comparison import (
    DASH,
    between,
    compare,
    comparisons,
    mean_std,
    runs,
    seed_count,
    sentence,
    signed,
    title,
)
from .results import Experiment, Row

_METRICS = ("rank-1", "mAP")


def at_home(row: Row) -> Row:
    """A row with its scores on new people of the sources for those on the targets."""
    records = [record | {"scores": record["home"]} for record in row.finished if record.get("home")]
    return Row(row.key, row.label, records)


def away(row: Row) -> Row:
    """A row as it is, without the seeds that were not scored at home."""
    return Row(row.key, row.label, [each for each in row.finished if each.get("home")])


def homes(experiment: Experiment) -> list[Block]:
    """Every row on new people of the sources and on the targets, and every difference likewise."""
    lines = []
    for row in experiment.rows.values():
        if not at_home(row).finished:
            continue
        line = [row.label]
        for metric in _METRICS:
            home, target = (each.mean_per_seed(metric) for each in (at_home(row), away(row)))
            line += [mean_std(home), mean_std(target)]
            line.append(mean_std(home - target) if len(home) == len(target) else DASH)
        lines.append(line)
    if not lines:
        return []
    columns = (
        "row", "rank-1, sources", "targets", "lower by", "mAP, sources", "targets", "lower by",
    )  # fmt: skip
    caption = (
        "Sources: their own query and gallery, with people that no run was trained on; the "
        "cameras are those of the training. Percent; lower by: points that the targets are below "
        "the sources, which differ in how hard they are too. Mean over the domains, ± standard "
        "deviation over the seeds."
    )
    found: list[Block] = [
        Heading("New people of the sources, and of the targets"),
        Table(columns, lines, caption),
    ]
    return [*found, *_changes(experiment)]


def _changes(experiment: Experiment) -> list[Block]:
    lines = []
    for each in comparisons(experiment, "rank-1"):
        home = compare(at_home(each.before), at_home(each.after), "rank-1")
        target = compare(away(each.before), away(each.after), "rank-1")
        if home is None or target is None:
            continue
        same = len(home.cells) == len(target.cells)
        gap = seed_interval(home.cells.mean(1) - target.cells.mean(1)) if same else None
        lines.append(
            [
                title(each),
                signed(home.interval.mean),
                between(home.interval),
                signed(target.interval.mean),
                between(target.interval),
                signed(gap.mean) if gap else DASH,
                between(gap) if gap else DASH,
                seed_count(len(home.cells)),
            ]
        )
    if not lines:
        return []
    columns = (
        "difference", "rank-1, sources", "95 % CI", "targets", "95 % CI", "lower by", "95 % CI",
        "seeds",
    )  # fmt: skip
    caption = (
        "Points of mean rank-1 between runs with the same seed. What is gained on new people of "
        "the sources too is better recognition; what is gained on the targets alone, better "
        "generalisation. Intervals draw seeds and domains. Lower by: what is added to the points "
        "that the targets are below the sources, with Student's t over the seeds, the domains "
        "being as they are."
    )
    return [Table(columns, lines, caption)]


def findings(experiment: Experiment) -> list[Finding]:
    """Of Table 5: how far the targets are below the sources, and what each term gains at home.

    Those on rows with IN/BN alone are asides, where there are rows with BN.
    """
    sentences = []
    both = any(not key.startswith("in_bn_") for key in experiment.rows)
    for prefix in ("", "in_bn_"):
        row = experiment.rows.get(f"{prefix}triplet")
        if row is None:
            continue
        home, target = (each.mean_per_seed("rank-1") for each in (at_home(row), away(row)))
        if len(home) == len(target) > 0:
            sentences.append(
                Finding(
                    f"New people of the sources have a mean rank-1 of {mean_std(home)} % under "
                    f"{row.label}, the targets' one of {mean_std(target)} %, "
                    f"{np.mean(home - target):.1f} points less ({seed_count(len(home))}).",
                    aside=bool(prefix) and both,
                )
            )
    wanted = pairs(experiment.name, list(experiment.rows))
    for before, after in (pair for pair in wanted if not _whole(*pair)):
        rows = experiment.rows
        found = compare(at_home(rows[before]), at_home(rows[after]), "rank-1")
        if found:
            said = sentence(
                f"{title(found)}, on new people of the sources",
                "points of mean rank-1",
                found.interval,
                runs(len(found.cells), found.cells.shape[1], "source"),
                len(found.cells),
            )
            aside = before.startswith("in_bn_") and both
            sentences.append(dataclasses.replace(said, aside=aside))
    return sentences


def _whole(before: str, after: str) -> bool:
    """Whether a pair is about all terms at once, which their steps add up to."""
    first, *_, last = ABLATION
    return before.endswith(first) and after.endswith(last)
