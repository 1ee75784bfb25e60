"""Intervals against SciPy's and against a loop; power against simulated t tests."""

import numpy as np
import pytest
import scipy.stats
from experiments.report.statistics import (
    cells,
    crossed_interval,
    paired,
    seed_interval,
    smallest_shown,
)

from tests.tools.experiments.sample import record

RNG = np.random.default_rng(7)
DIFFERENCES = RNG.normal(2.0, 3.0, size=(5, 4)) + RNG.normal(0, 2, size=(5, 1))


def test_the_interval_over_seeds_is_students_and_holds_its_level():
    draws = np.random.default_rng(0).normal(1.0, 2.0, size=(2_000, 5, 1))
    found = seed_interval(draws[0])
    expected = scipy.stats.ttest_1samp(draws[0].ravel(), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    held = [each.low <= 1 <= each.high for each in map(seed_interval, draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_the_crossed_interval_draws_whole_seeds_and_targets():
    rng = np.random.default_rng(3)
    means = []
    for _ in range(8_000):
        seeds, targets = rng.integers(5, size=5), rng.integers(4, size=4)
        means.append(np.mean([[DIFFERENCES[s, t] for t in targets] for s in seeds]))
    interval = crossed_interval(DIFFERENCES)
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.2)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.2)


@pytest.mark.parametrize(("by_target", "low", "high"), [(True, 0.7, 0.9), (False, 0.95, 1)])
def test_the_crossed_interval_covers_as_often_as_its_docstring_says(by_target, low, high):
    rng = np.random.default_rng(5)
    shape = (1, 4) if by_target else (5, 4)
    draws = (rng.normal(size=shape) + np.zeros((5, 4)) for _ in range(200))
    held = [each.low <= 0 <= each.high for each in map(crossed_interval, draws)]
    assert low < np.mean(held) <= high


def test_one_seed_has_neither_interval_nor_power():
    one = [[1.0, 3.0]]
    assert np.isnan([*seed_interval(one), *crossed_interval(one), smallest_shown(one)]).all()


@pytest.mark.parametrize("seeds", [2, 3, 5, 12])
def test_the_smallest_difference_is_found_by_four_of_five_simulated_tests(seeds):
    spread = np.linspace(-1, 1, seeds)
    spread *= 1.7 / spread.std(ddof=1)
    # What varies between the targets does not count.
    smallest = smallest_shown(spread[:, None] + np.array([[-3.0, 3.0]]))
    trials = np.random.default_rng(11).normal(smallest, 1.7, size=(20_000, seeds))
    found = scipy.stats.ttest_1samp(trials, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.012)


def test_rows_are_paired_by_seed_and_failed_runs_are_left_out():
    before = [record(seed=seed, rank1=0.2 + 0.01 * seed) for seed in (1, 2, 3)]
    after = [record(seed=seed, rank1=0.2 + 0.03 * seed) for seed in (3, 2)]
    after.append(record(seed=1, scores={}, failed="loss_id is nan"))
    assert paired(before, after, "rank-1") == pytest.approx(np.array([[4.0] * 2, [6.0] * 2]))
    assert cells(after, "mAP") == pytest.approx(np.array([[34.0] * 2, [31.0] * 2]))


@pytest.mark.parametrize("key", ["train.max_epoch", "data.height", "data.combineall"])
def test_a_row_that_was_trained_on_more_is_compared_with_no_other(key):
    other = record(row="triplet")
    other["config"] = other["config"] | {key: 99}
    assert not paired([record()], [other], "rank-1").size
