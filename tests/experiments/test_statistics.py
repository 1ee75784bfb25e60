"""Bootstrap intervals against SciPy's, and against a loop; power against simulated t tests."""

import numpy as np
import pytest
import scipy.stats

from ddan_torchreid.experiments import statistics
from ddan_torchreid.experiments.statistics import (
    bootstrap_interval,
    crossed_interval,
    power,
    seed_interval,
    spread_range,
)

RNG = np.random.default_rng(7)
DIFFERENCES = RNG.normal(2.0, 3.0, size=(5, 4)) + RNG.normal(0, 2, size=(5, 1))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_over_cells_is_scipys(level):
    interval = bootstrap_interval(DIFFERENCES, resamples=40_000, level=level)
    expected = scipy.stats.bootstrap(
        (DIFFERENCES.ravel(),), np.mean, n_resamples=40_000, confidence_level=level,
        method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    assert interval.mean == pytest.approx(DIFFERENCES.mean())
    assert interval.low == pytest.approx(expected.low, abs=0.05)
    assert interval.high == pytest.approx(expected.high, abs=0.05)


def test_drawing_in_parts_changes_nothing_but_the_draws(monkeypatch):
    whole = bootstrap_interval(DIFFERENCES, resamples=20_000)
    monkeypatch.setattr("ddan_torchreid.experiments.statistics._CHUNK", 1000)
    parts = bootstrap_interval(DIFFERENCES, resamples=20_000)
    assert parts.low == pytest.approx(whole.low, abs=0.1)
    assert parts.high == pytest.approx(whole.high, abs=0.1)


def test_the_crossed_interval_draws_whole_seeds_and_targets():
    rng = np.random.default_rng(3)
    means = []
    for _ in range(8_000):
        seeds, targets = rng.integers(5, size=5), rng.integers(4, size=4)
        means.append(np.mean([[DIFFERENCES[s, t] for t in targets] for s in seeds]))
    interval = crossed_interval(DIFFERENCES, resamples=40_000)
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.12)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.12)
    cells = bootstrap_interval(DIFFERENCES)
    assert interval.high - interval.low > cells.high - cells.low


def test_a_constant_difference_has_an_interval_of_no_width():
    for interval in (bootstrap_interval(np.full((3, 2), 1.5)), crossed_interval(np.ones((3, 2)))):
        assert interval.low == pytest.approx(interval.mean) == pytest.approx(interval.high)


def test_the_interval_over_seeds_is_students_and_holds_its_level():
    draws = np.random.default_rng(0).normal(1.0, 2.0, size=(2_000, 5))
    found = seed_interval(draws[0])
    expected = scipy.stats.ttest_1samp(draws[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    held = [each.low <= 1 <= each.high for each in map(seed_interval, draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
    # Why it is not the bootstrap.
    bootstrapped = [bootstrap_interval(each, resamples=1_000) for each in draws[:1_000]]
    assert np.mean([each.low <= 1 <= each.high for each in bootstrapped]) < 0.88


def test_one_cell_or_one_seed_gives_no_interval():
    assert np.isnan(bootstrap_interval([1.0]).low)
    assert np.isnan(seed_interval([1.0]).low)
    single = crossed_interval([[1.0, 3.0]])
    assert single.mean == 2.0
    assert np.isnan([single.low, single.high]).all()


@pytest.mark.parametrize("wrong", [[], [[1.0, np.nan]]])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError) as error:
        bootstrap_interval(wrong)
    assert "finite" in str(error.value)
    with pytest.raises(ValueError) as error:
        crossed_interval([1.0, 2.0])
    assert "(seeds, targets)" in str(error.value)


def spread_of(deviation, seeds):
    """(seeds, 2) differences whose mean over the targets has a standard deviation."""
    values = np.linspace(-1, 1, seeds)
    values *= deviation / values.std(ddof=1)
    return 1.0 + values[:, None] + np.array([[-3.0, 3.0]])


def shown(true, deviation, seeds, trials=20_000):
    """Part of simulated paired t tests that find a true difference."""
    rng = np.random.default_rng(11)
    values = rng.normal(true, deviation, size=(trials, seeds))
    return np.mean(scipy.stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05)


@pytest.mark.parametrize("seeds", [2, 3, 5, 12])
def test_the_smallest_difference_is_found_by_four_of_five_simulated_tests(seeds):
    found = power(spread_of(1.7, seeds))
    assert (found.seeds, found.spread) == (seeds, pytest.approx(1.7))
    assert shown(found.smallest, 1.7, seeds) == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize("deviation", [0.5, 1.5, 4.0])
def test_the_needed_seeds_are_the_fewest_that_are_enough(deviation):
    needed = power(spread_of(deviation, 5)).needed
    assert shown(2.0, deviation, needed) > 0.79
    assert needed == 2 or shown(2.0, deviation, needed - 1) < 0.8


def test_only_the_spread_between_seeds_counts():
    found = power([[0.0, 4.0], [2.0, 6.0], [1.0, 5.0]])
    # Means 2, 4, 3.
    assert found.spread == pytest.approx(1.0)
    same = power(np.full((3, 2), 1.5))
    assert (same.spread, same.smallest, same.needed) == (0.0, 0.0, 2)


def test_seeds_beyond_the_cap_are_not_counted(monkeypatch):
    needed = power(spread_of(4.0, 5)).needed
    monkeypatch.setattr(statistics, "MOST_SEEDS", needed)
    assert power(spread_of(4.0, 5)).needed == needed
    monkeypatch.setattr(statistics, "MOST_SEEDS", needed - 1)
    assert power(spread_of(4.0, 5)).needed is None


def test_one_seed_has_no_power_and_other_shapes_are_refused():
    assert power([[1.0, 2.0]]) is None
    with pytest.raises(ValueError) as error:
        power([1.0, 2.0])
    assert "(seeds, targets)" in str(error.value)


def test_the_spread_of_a_few_seeds_is_itself_uncertain():
    # Tables of chi-squared: 0.484 and 11.143 for 4 degrees of freedom.
    assert spread_range(5) == pytest.approx((np.sqrt(4 / 11.143), np.sqrt(4 / 0.484)), rel=1e-3)


def test_the_crossed_interval_covers_as_often_as_its_docstring_says():
    rng = np.random.default_rng(5)

    def covered(seeds, targets, by_target):
        shape = (1, targets) if by_target else (seeds, targets)
        held = 0
        for _ in range(200):
            interval = crossed_interval(
                rng.normal(size=shape) + np.zeros((seeds, targets)), resamples=1000
            )
            held += interval.low <= 0 <= interval.high
        return held / 200

    assert 0.7 < covered(5, 4, by_target=True) < 0.9
    assert 0.4 < covered(5, 2, by_target=True) < 0.6
    assert covered(5, 4, by_target=False) > 0.95
