"""The last section: what the records show, and what they cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..experiments import paper
from ..experiments.ablation import ABLATION, short
from ..experiments.records import Record
from ..experiments.rows import TITLES
from ..experiments.runs import PRETRAIN
from ..experiments.statistics import LEVEL
from . import diagnosis, search_parts
from .blocks import Block, Heading, Paragraph, Section, Table
from .comparison import FEW_SEEDS, Comparison, between, comparisons, runs, signed, title
from .diagnosis import values
from .results import Experiment, Results

RANDOM = "random weights"
TITLE = "What this shows, and what it does not"


def limits(results: Results, reported: Sequence[str]) -> Section:
    """The section on it.

    Args:
        results: all of it.
        reported: the experiments whose paired differences the report shows.
    """
    records = [r for experiment in results.experiments.values() for r in experiment.records]
    texts = [
        *_images(records),
        *_sizes(records),
        _seeds_and_targets(results),
        *_start(records),
        *_learnt(results),
        *_intervals([results.experiments[name] for name in reported]),
        _search(results),
    ]
    blocks: list[Block] = [Paragraph(text) for text in texts]
    table5 = results.experiments.get("table5")
    return Section(TITLE, "limits", (), [*blocks, *(_steps(table5) if table5 else ())])


def _images(records: Sequence[Record]) -> list[str]:
    kinds = {record["domains"] for record in records if "domains" in record}
    if "rendered" not in kinds:
        return []
    which = "Some of the pedestrians" if "real" in kinds else "The pedestrians"
    return [
        f"{which} are drawn, not photographed. What holds on drawn domains need not hold on "
        "photographs, and no number here compares with the paper's."
    ]


def _sizes(records: Sequence[Record]) -> list[str]:
    sources = _distinct(short(name) for record in records for name in record.get("sources", []))
    networks = _distinct(_setting(record, "model", "name") for record in records)
    sizes = _distinct(
        f"{height} \N{MULTIPLICATION SIGN} {width}"
        for record in records
        if (height := _setting(record, "data", "height"))
        and (width := _setting(record, "data", "width"))
    )
    parts = [f"Sources: {', '.join(sources)}."] if sources else []
    counted = {
        name: counts
        for record in records
        for name, counts in record.get("counts", {}).get("sources", {}).items()
    }
    if counted:
        identities, images = np.sum(list(counted.values()), axis=0)
        parts.append(f"They have {identities:,} identities and {images:,} images.")
    if sizes:
        parts.append(f"Images: {_listed(sizes)} pixels.")
    if networks:
        parts.append(f"Networks: {_listed(networks)}.")
    return [" ".join(parts)] if parts else []


def _seeds_and_targets(results: Results) -> str:
    found: dict[str, list[str]] = {}
    for name, experiment in results.experiments.items():
        own = {n for record in experiment.records for n in record.get("sources", [])}
        unseen = [target for target in experiment.targets if target not in own]
        if unseen:
            title = TITLES.get(name, name).partition(":")[0]
            counts = [len(row.finished) for row in experiment.rows.values() if row.finished]
            fewer = f"{min(counts)} to " if min(counts) < max(counts) else ""
            found.setdefault(f"{fewer}{runs(max(counts), len(unseen))}", []).append(title)
    if not found:
        return "No target that is not a source was scored."
    words = "; ".join(f"{count} in {', '.join(names)}" for count, names in found.items())
    return f"Seeds, and targets that no run was trained on: {words}."


def _start(records: Sequence[Record]) -> list[str]:
    starts = [_started_from(record) for record in records]
    texts = []
    for start in dict.fromkeys(filter(None, starts)):
        who = "All runs" if len(set(starts)) == 1 else "Some runs"
        same = start != RANDOM
        texts.append(
            f"{who} start from {start}"
            + (
                ", the same for all seeds, so no interval has the spread over pretrainings in it."
                if same
                else ", drawn anew for each seed."
            )
        )
    return texts


def _started_from(record: Record) -> str:
    """In words; empty where the record does not say."""
    given = record.get("options", {}).get("initial_weights")
    if given == PRETRAIN:
        return "weights pretrained on other drawn domains instead of ImageNet"
    if given:
        return f"the weights of {Path(str(given)).name}"
    pretrained = _setting(record, "model", "pretrained")
    if not isinstance(pretrained, bool):
        return ""
    return "ImageNet weights" if pretrained else RANDOM


def _learnt(results: Results) -> list[str]:
    """How well the sources were known at the end: what is aligned before says little."""
    experiment = results.experiments.get("table5")
    if experiment is None:
        return []
    ends = {
        row.label: float(np.mean(found))
        for row in experiment.rows.values()
        if (found := values(row, diagnosis.identity_accuracy))
    }
    if not ends:
        return []
    steps = sorted({record["steps"] for record in experiment.records if "steps" in record})
    after = ""
    if steps:
        least_steps = f"{steps[0]:,} to " if len(steps) > 1 else ""
        after = f", after {least_steps}{steps[-1]:,} steps"
    least, most = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    return [
        "In the last epoch of Table 5 the identity head is right in "
        f"{ends[least]:.1f} % ({least}) to {ends[most]:.1f} % ({most}) of the augmented training "
        f"images{after}. Trainings that learn the sources further may differ more."
    ]


def _intervals(experiments: Iterable[Experiment]) -> list[str]:
    found = [
        each
        for experiment in experiments
        for metric in ("rank-1", "mAP")
        for each in comparisons(experiment, metric)
        if not np.isnan(each.interval.low)
    ]
    if not found:
        return ["No paired difference has an interval: that takes two seeds."]
    expected = (1 - LEVEL) * len(found)
    return [
        f"The tables of paired differences have {len(found)} intervals. Were there no difference "
        f"anywhere, {expected:.1f} of them would leave out zero by chance if each held its "
        f"{100 * LEVEL:.0f} %; nothing here corrects for that, and over few seeds or targets such "
        "intervals are mostly too narrow, so it can be more.",
        "The intervals draw seeds and whole targets: they speak of new seeds, and of new targets "
        "as far as the few here stand for them.",
    ]


def _search(results: Results) -> str:
    experiment = results.experiments.get(search_parts.NAME)
    if experiment is None:
        return "No search of settings is recorded here, so how they were chosen is not shown."
    return (
        f"{len(search_parts.settings(experiment))} settings were tried on other targets. "
        f"{search_parts.where(experiment, results)}"
    )


def _steps(experiment: Experiment) -> list[Block]:
    """Each step of Table 5 against the paper's order of its rows."""
    lines = []
    for each in comparisons(experiment, "rank-1"):
        # The paper's Table 5 has no rows with IN/BN.
        keys = [each.before.key, each.after.key]
        if not set(keys) <= set(ABLATION):
            continue
        before, after = (np.mean(paper.TABLE5[key]) for key in keys)
        lines.append(
            [
                title(each),
                signed(float(after - before)),
                signed(each.interval.mean),
                between(each.interval),
                answer(each, float(after - before)),
            ]
        )
    if not lines:
        return []
    columns = ("step", "paper, real data", "here", "95 % CI", "the paper's order is")
    caption = (
        "Points of mean rank-1. Confirmed: the interval lies on the paper's side of zero. "
        "Opposite: on the other side. Only the sign compares, not the size."
    )
    return [Heading("The steps of Table 5"), Table(columns, lines, caption)]


def answer(comparison: Comparison, expected: float) -> str:
    """Whether a difference has the sign that the paper's has, as far as its interval shows it."""
    low, high = comparison.interval.low, comparison.interval.high
    if np.isnan(low):
        return "not shown: one seed"
    if low <= 0 <= high:
        return "not shown"
    same = (low > 0) == (expected > 0)
    if len(comparison.cells) < FEW_SEEDS:
        direction = "same" if same else "opposite"
        return f"not shown: the {direction} direction, but too few seeds to conclude"
    return "confirmed" if same else "opposite"


def _setting(record: Record, node: str, key: str) -> Any:
    return record.get("config", {}).get(node, {}).get(key, "")


def _distinct(values: Iterable[Any]) -> list[str]:
    return [value for value in dict.fromkeys(map(str, values)) if value]


def _listed(values: Sequence[str]) -> str:
    return " or ".join(values)
