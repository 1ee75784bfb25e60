"""Intervals for paired differences between two rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
RESAMPLES = 10_000
_CHUNK = 2_000_000  # numbers drawn at once


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


def _checked(differences: ArrayLike) -> NDArray[np.float64]:
    cells = np.asarray(differences, dtype=np.float64)
    if cells.size == 0 or not np.isfinite(cells).all():
        raise ValueError("differences must be finite numbers, one or more")
    return cells


def _percentiles(mean: float, means: NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(mean), float(low), float(high))
