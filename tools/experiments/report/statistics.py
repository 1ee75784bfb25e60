"""Paired differences between two rows of a table: their intervals and what the seeds could show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from ..records import Record

LEVEL = 0.95
RESAMPLES = 10_000
POWER = 0.8


class Interval(NamedTuple):
    """Ends of a confidence interval; NaN where there is none."""

    low: float
    high: float


def cells(records: Sequence[Record], metric: str) -> NDArray[np.float64]:
    """(seeds, targets) of one row in percent, without the runs that failed."""
    scores = [[each[metric] for each in record["scores"].values()] for record in records]
    return 100 * np.array([row for row in scores if row], dtype=np.float64)


def paired(a: Sequence[Record], b: Sequence[Record], metric: str) -> NDArray[np.float64]:
    """(seeds, targets) of b - a in points, over the seeds with which both were trained alike."""
    first = {(each["seed"], *_budget(each)): each for each in a if each["scores"]}
    second = {(each["seed"], *_budget(each)): each for each in b if each["scores"]}
    both = sorted(first.keys() & second.keys())
    before, after = (cells([side[key] for key in both], metric) for side in (first, second))
    return after - before


def _budget(record: Record) -> tuple[Any, ...]:
    """What rows that are compared have in common: a row trained for longer says nothing."""
    keys = ("train.max_epoch", "train.batch_size", "data.height", "data.combineall")
    return tuple(record["targets"]), *(record["config"].get(key) for key in keys)


def seed_interval(differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Student's t interval over the seeds of the mean over the targets, these being as they are.

    Args:
        differences: (seeds, targets) differences of paired runs.
        level: of confidence.
    """
    means = np.asarray(differences, dtype=np.float64).mean(1)
    if len(means) < 2:
        return Interval(np.nan, np.nan)
    half = stats.t.ppf((1 + level) / 2, len(means) - 1) * stats.sem(means)
    return Interval(float(means.mean() - half), float(means.mean() + half))


def crossed_interval(differences: ArrayLike, seed: int = 0, level: float = LEVEL) -> Interval:
    """Percentile bootstrap that draws whole seeds and, independently, whole targets.

    The cells of one seed share a model, and those of one target share its images, so they are not
    independent. This interval speaks of other targets too, but over a handful of them it is mostly
    too narrow: with 5 seeds and 4 targets a nominal 95 % interval holds the true mean in 80 to 85 %
    of draws where the differences vary by seed or by target.

    Args:
        differences: (seeds, targets) differences of paired runs.
        seed: of the resampling.
        level: of confidence.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return Interval(np.nan, np.nan)
    rng = np.random.default_rng(seed)
    # How often each seed and each target is drawn, instead of the drawn matrices.
    seeds, targets = (
        rng.multinomial(size, np.full(size, 1 / size), size=RESAMPLES) / size
        for size in values.shape
    )
    means = np.einsum("rs,st,rt->r", seeds, values, targets, optimize=True)
    return Interval(*np.quantile(means, [(1 - level) / 2, (1 + level) / 2]).tolist())


def smallest_shown(differences: ArrayLike) -> float:
    """The smallest true difference that so many seeds show with 80 % power; NaN for one seed.

    Of the two-sided paired t test at 5 % over the seeds: for n differences with standard deviation
    s and a true mean d, the statistic has a noncentral t distribution of n - 1 degrees of freedom
    with noncentrality d sqrt(n) / s (Cohen, Statistical Power Analysis for the Behavioral Sciences,
    2nd edition, 1988, chapter 2). s is taken as known, though it is itself estimated.

    Args:
        differences: (seeds, targets) differences of paired runs.
    """
    means = np.asarray(differences, dtype=np.float64).mean(1)
    count = len(means)
    if count < 2:
        return np.nan
    critical = stats.t.ppf((1 + LEVEL) / 2, count - 1)
    # Without the other tail, where SciPy's is not reliable: at 80 % power it is below a millionth.
    noncentrality = optimize.brentq(
        lambda value: stats.nct.sf(critical, count - 1, value) - POWER, 0.1, 37.0
    )
    return float(noncentrality * means.std(ddof=1) / np.sqrt(count))
