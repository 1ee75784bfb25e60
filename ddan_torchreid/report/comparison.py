"""Paired differences between two rows, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..experiments.records import Record
from ..experiments.rows import pairs
from ..experiments.statistics import Interval, crossed_interval
from .blocks import Finding
from .results import Experiment, Row

# Below it, a bootstrap's interval is too narrow to conclude anything from.
FEW_SEEDS = 5
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@dataclass(frozen=True)
class Comparison:
    """A row against another one, over the seeds and targets that both have.

    Attributes:
        before, after: the rows.
        targets: T names.
        cells: (seeds, T) differences after - before, in percentage points.
        interval: of their mean, drawing seeds and targets.
    """

    before: Row
    after: Row
    targets: Sequence[str]
    cells: NDArray[np.float64]
    interval: Interval

    @property
    def runs(self) -> str:
        """How many runs it rests on."""
        return runs(len(self.cells), self.cells.shape[1])


def common_seeds(*rows: Row) -> list[int]:
    """Seeds with which all rows were trained alike: on the same data, from the same start, as long.

    A row that was trained again for longer has nothing to say of one that was not.
    """
    conditions = [{each["seed"]: _conditions(each) for each in row.finished} for row in rows]
    return [
        seed
        for seed in sorted(set.intersection(*map(set, conditions)))
        if all(each[seed] == conditions[0][seed] for each in conditions)
    ]


def _conditions(record: Record) -> list[Any]:
    """What rows of one table never change: budget, data and start."""
    config, options = record.get("config", {}), record.get("options", {})
    train, data = (config.get(node, {}) for node in ("train", "data"))
    return [
        *(train.get(key) for key in ("max_epoch", "batch_size")),
        *(data.get(key) for key in ("sources", "height", "width", "combineall")),
        *(value for key, value in sorted(options.items()) if key != "pairs"),
    ]


def compare(before: Row, after: Row, metric: str) -> Comparison | None:
    """Differences of a metric between the runs that share a seed; None if no two runs do.

    Runs on other data, from another start or of another length do not count, see
    :func:`common_seeds`.
    """
    first = {record["seed"]: record["scores"] for record in before.finished}
    second = {record["seed"]: record["scores"] for record in after.finished}
    seeds = common_seeds(before, after)
    targets = [
        name
        for name in before.targets()
        if all(metric in each[seed].get(name, {}) for each in (first, second) for seed in seeds)
    ]
    if not seeds or not targets:
        return None
    cells = 100 * np.array(
        [[second[s][name][metric] - first[s][name][metric] for name in targets] for s in seeds]
    )
    return Comparison(before, after, targets, cells, crossed_interval(cells))


def comparisons(experiment: Experiment, metric: str) -> list[Comparison]:
    """The comparisons that a table reports."""
    wanted = pairs(experiment.name, list(experiment.rows))
    found = [compare(experiment.rows[a], experiment.rows[b], metric) for a, b in wanted]
    return [comparison for comparison in found if comparison]


def title(comparison: Comparison) -> str:
    """What is compared: what the later row adds, by its own label or by the terms, or both rows."""
    if comparison.after.label.startswith("+ "):
        return comparison.after.label.removeprefix("+ ")
    if comparison.after.key == f"in_bn_{comparison.before.key}":
        return f"IN/BN in {comparison.before.label}"
    before, _, _ = comparison.before.label.partition(", ")
    after, _, suffix = comparison.after.label.partition(", ")
    if after.startswith(f"{before} + ") and comparison.before.label.endswith(suffix):
        added = after.removeprefix(f"{before} + ")
        several = " + " in added
        name = f"All terms against {before} alone" if several else f"{added} added"
        return f"{name}, {suffix}" if suffix else name
    group, colon, first = comparison.before.label.rpartition(": ")
    if colon and comparison.after.label.startswith(f"{group}: "):
        return f"{comparison.after.label} against {first}"
    return f"{comparison.after.label} against {comparison.before.label}"


def sentence(name: str, metric: str, interval: Interval, basis: str, seeds: int) -> Finding:
    """A finding in one sentence, no stronger than its interval.

    Args:
        name: what is compared.
        metric: with its unit, such as ``points of mean rank-1``.
        interval: NaN at the ends where there is only one seed.
        basis: the runs it rests on.
        seeds: how many of them differ in their seed.
    """
    head = f"{name}: {signed(interval.mean)} {metric}"
    if np.isnan(interval.low):
        return Finding(f"{head}, {basis}:", "one seed, so no interval and no conclusion")
    return Finding(f"{head}, 95 % CI {between(interval)}, {basis}:", verdict(interval, seeds))


def verdict(interval: Interval, seeds: int) -> str:
    """What the interval shows; a bootstrap over a handful of seeds is too narrow to show much."""
    if np.isnan(interval.low):
        return "no interval"
    if interval.low <= 0 <= interval.high:
        return "no difference shown"
    found = "higher" if interval.low > 0 else "lower"
    return found if seeds >= FEW_SEEDS else f"{found}, but too few seeds to conclude"


def runs(seeds: int, domains: int, kind: str = "target") -> str:
    """Number of seeds and of targets, or of another kind of domains, in words."""
    return (
        f"{seed_count(seeds)} \N{MULTIPLICATION SIGN} {domains} {kind}{'s' if domains > 1 else ''}"
    )


def signed(value: float) -> str:
    """A difference with its sign; two digits where one would print a zero that is none."""
    digits = 2 if 0 < abs(value) < 0.05 else 1
    text = f"{value:+.{digits}f}".replace("-", MINUS)
    return text if float(text.replace(MINUS, "-")) else text[1:]


def between(interval: Interval) -> str:
    """The ends of an interval."""
    if np.isnan(interval.low):
        return DASH
    return f"{signed(interval.low)} to {signed(interval.high)}"


def decimals(highest: float) -> int:
    """Digits that show distances of which ``highest`` is the largest: two, or three that count."""
    return 2 if highest >= 0.1 or highest <= 0 else min(5, 2 - math.floor(math.log10(highest)))


def seed_count(count: int) -> str:
    """A number of seeds in words."""
    return f"{count} seed{'s' if count > 1 else ''}"


def rounded(values: ArrayLike) -> str:
    """As :func:`mean_std`, with three digits that count, however small the mean."""
    values = np.asarray(values, dtype=np.float64)
    mean = abs(values.mean()) if values.size else 0.0
    return mean_std(values, min(8, max(0, 2 - math.floor(math.log10(mean)))) if mean else 0)


def mean_std(values: ArrayLike, digits: int = 1) -> str:
    """Mean and, of two values or more, standard deviation (n - 1); a dash for none."""
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        return DASH
    mean = f"{values.mean():.{digits}f}".replace("-", MINUS)
    spread = f" ± {values.std(ddof=1):.{digits}f}" if values.size > 1 else ""
    return mean + spread
