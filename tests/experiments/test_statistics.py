"""Bootstrap intervals against SciPy's, and against a loop."""

import numpy as np
import pytest
import scipy.stats

from ddan_torchreid.experiments.statistics import bootstrap_interval, crossed_interval

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


def test_one_cell_or_one_seed_gives_no_interval():
    assert np.isnan(bootstrap_interval([1.0]).low)
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
