"""Intervals and power of paired differences between two rows of a table."""

from __future__ import annotations

import bisect
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

LEVEL = 0.95
RESAMPLES = 10_000
POWER = 0.8
EFFECT = 2.0
"""Percentage points that a reader may want to see."""
MOST_SEEDS = 1000
_CHUNK = 2_000_000  # numbers drawn at once
# Far beyond 80 % power for any number of seeds, and where the noncentral t is still computed well.
_LARGE_NONCENTRALITY = 37.0


@dataclass(frozen=True)
class Interval:
    """Mean of the differences and the ends of its confidence interval; NaN where there is none."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    differences: ArrayLike, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap of the mean over all cells (seed, target), each drawn by itself.

    Args:
        differences: (seeds, targets) differences of paired runs, or (n,).
        seed: of the resampling.
        resamples: number of resamples.
        level: of confidence.

    Returns:
        The interval; without two cells, only the mean.

    Raises:
        ValueError: no cells, or cells that are not finite.
    """
    cells = _checked(differences).ravel()
    if len(cells) < 2:
        return Interval(float(cells.mean()), np.nan, np.nan)
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // len(cells))
    means = [
        cells[rng.integers(len(cells), size=(min(chunk, resamples - start), len(cells)))].mean(1)
        for start in range(0, resamples, chunk)
    ]
    return _percentiles(cells.mean(), np.concatenate(means), level)


def crossed_interval(
    differences: ArrayLike, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap that draws whole seeds and, independently, whole targets.

    The cells of one seed share a model, and those of one target share its images, so they are
    not independent: this interval is the wider and the more honest one.

    It is approximate, and over a handful of seeds or targets mostly too narrow. With 5 seeds and
    4 targets a nominal 95 % interval holds the true mean in about 80 to 85 % of draws where the
    differences vary by seed or by target (normal distributions), and in more than 95 % where they
    vary by cell alone; with 2 targets that differ, in half of them. See ``test_statistics.py``.

    Args:
        differences: (seeds, targets) differences of paired runs.
        seed, resamples, level: as in :func:`bootstrap_interval`.

    Returns:
        The interval; without two seeds, only the mean.

    Raises:
        ValueError: no cells, or cells that are not finite, or another shape.
    """
    cells = _checked(differences)
    if cells.ndim != 2:
        raise ValueError(f"differences must be (seeds, targets), got {cells.shape}")
    if len(cells) < 2:
        return Interval(float(cells.mean()), np.nan, np.nan)
    rng = np.random.default_rng(seed)
    # How often each seed and each target is drawn, instead of the drawn matrices.
    seeds, targets = (
        rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size
        for size in cells.shape
    )
    means = np.einsum("rs,st,rt->r", seeds, cells, targets, optimize=True)
    return _percentiles(cells.mean(), means, level)


def seed_interval(differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean of what has one value for each seed.

    A percentile bootstrap of five values holds the true mean in 85 % of draws instead of 95 %.

    Args:
        differences: (n,) of paired runs.
        level: of confidence.

    Returns:
        The interval; without two seeds, only the mean.

    Raises:
        ValueError: no values, or values that are not finite.
    """
    values = _checked(differences).ravel()
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values)
    return Interval(mean, float(mean - half), float(mean + half))


@dataclass(frozen=True)
class Power:
    """What a number of seeds can show of a paired difference.

    Attributes:
        seeds: n.
        spread: standard deviation (n - 1) over the seeds of the difference's mean over the
            targets.
        smallest: the smallest true difference that n seeds show with 80 % power.
        needed: the least number of seeds, 2 or more, that shows the wanted effect with that power;
            None if that is more than ``MOST_SEEDS``.
    """

    seeds: int
    spread: float
    smallest: float
    needed: int | None


def power(differences: ArrayLike, effect: float = EFFECT) -> Power | None:
    """Power of the two-sided paired t test at 5 % over the seeds, targets being as they are.

    For n differences with standard deviation s and a true mean d, the statistic has a noncentral
    t distribution of n - 1 degrees of freedom with noncentrality d sqrt(n) / s, so the power is
    P(|T| > t) with t the 97.5 % quantile of Student's t (Cohen, Statistical Power Analysis for the
    Behavioral Sciences, 2nd edition, 1988, chapter 2). s is taken as known, though it is itself
    estimated.

    Args:
        differences: (seeds, targets) differences of paired runs.
        effect: true difference that ``needed`` is for, in the unit of the differences.

    Returns:
        The power; None for fewer than two seeds.

    Raises:
        ValueError: no cells, or cells that are not finite, or another shape.
    """
    cells = _checked(differences)
    if cells.ndim != 2:
        raise ValueError(f"differences must be (seeds, targets), got {cells.shape}")
    count = len(cells)
    if count < 2:
        return None
    spread = float(cells.mean(1).std(ddof=1))
    smallest = _needed_noncentrality(count) * spread / np.sqrt(count)

    def enough(seeds: int) -> bool:
        # No spread: any difference is shown.
        return spread == 0 or _power(seeds, effect * np.sqrt(seeds) / spread) >= POWER

    numbers = range(2, MOST_SEEDS + 1)
    place = bisect.bisect_left(numbers, True, key=enough)
    needed = numbers[place] if place < len(numbers) else None
    return Power(count, spread, float(smallest), needed)


def spread_range(seeds: int, level: float = LEVEL) -> tuple[float, float]:
    """Factors on a standard deviation of n normal values: the ends of its confidence interval."""
    low, high = stats.chi2.ppf([(1 - level) / 2, (1 + level) / 2], seeds - 1)
    return float(np.sqrt((seeds - 1) / high)), float(np.sqrt((seeds - 1) / low))


def _power(seeds: int, noncentrality: float) -> float:
    # Without the other tail, where SciPy's is not reliable: at 80 % power it is below a millionth.
    noncentrality = min(noncentrality, _LARGE_NONCENTRALITY)
    critical = stats.t.ppf((1 + LEVEL) / 2, seeds - 1)
    return float(stats.nct.sf(critical, seeds - 1, noncentrality))


@functools.cache
def _needed_noncentrality(seeds: int) -> float:
    return float(
        optimize.brentq(lambda value: _power(seeds, value) - POWER, 0.1, _LARGE_NONCENTRALITY)
    )


def _checked(differences: ArrayLike) -> NDArray[np.float64]:
    cells = np.asarray(differences, dtype=np.float64)
    if cells.size == 0 or not np.isfinite(cells).all():
        raise ValueError("differences must be finite numbers, one or more")
    return cells


def _percentiles(mean: float, means: NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(mean), float(low), float(high))
