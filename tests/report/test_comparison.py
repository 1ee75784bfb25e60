"""Paired differences and what is said of them."""

# ruff: noqa: RUF001 - the report prints minus and multiplication signs

import math

import numpy as np
import pytest

from ddan_torchreid.experiments.statistics import Interval
from ddan_torchreid.report import comparison, results
from ddan_torchreid.report.comparison import decimals, mean_std, sentence, signed, title, verdict
from tests.report.sample import record, table5, with_in_bn, write


def rows_of(tmp_path, records, name="table5"):
    return results.load(write(tmp_path, records)).experiments[name]


def test_only_runs_with_the_same_seed_and_targets_are_paired(tmp_path):
    records = [
        record(row="identity", seed=1, rank1=0.20),
        record(row="identity", seed=2, rank1=0.90),
        record(row="triplet", seed=1, rank1=0.23),
        record(row="triplet", seed=3, rank1=0.50),
    ]
    del records[2]["scores"]["rendered_night"]
    experiment = rows_of(tmp_path, records)
    found = comparison.compare(*experiment.rows.values(), "rank-1")
    assert found.targets == ["rendered_snow"]
    np.testing.assert_allclose(found.cells, [[3.0]])
    assert found.runs == "1 seed × 1 target"
    assert math.isnan(found.interval.low)


def test_rows_without_a_common_seed_are_not_compared(tmp_path):
    experiment = rows_of(tmp_path, [record(seed=1), record(row="triplet", seed=2)])
    assert comparison.compare(*experiment.rows.values(), "rank-1") is None
    assert comparison.comparisons(experiment, "rank-1") == []


def test_rows_of_trainings_of_different_length_are_not_compared(tmp_path):
    records = [*table5((1, 2)), *table5((3,))]
    for each in records:
        each["config"] = {"train": {"max_epoch": 12}}
        if each["row"] == "alignment" and each["seed"] != 2:
            each["config"] = {"train": {"max_epoch": 3}}
    experiment = rows_of(tmp_path, records)
    seeds = {title(each): len(each.cells) for each in comparison.comparisons(experiment, "rank-1")}
    assert seeds == {
        "L_Triplet added": 3,
        "L_DA added": 1,
        "L_SE added": 1,
        "All terms against L_IDE alone": 3,
    }


def test_steps_are_taken_within_bn_and_within_in_bn(tmp_path):
    records = with_in_bn(table5())
    titles = [title(each) for each in comparison.comparisons(rows_of(tmp_path, records), "mAP")]
    plain = ["L_Triplet added", "L_DA added", "L_SE added", "All terms against L_IDE alone"]
    both = ["IN/BN in L_IDE", "IN/BN in L_IDE + L_Triplet + L_DA + L_SE"]
    assert titles == [*plain, *(f"{each}, IN/BN" for each in plain), *both]


def test_the_title_of_two_unlike_rows_names_both(tmp_path):
    records = [
        record("table1", "baseline", label="Baseline"),
        record("table1", "ddan", label="DDAN"),
    ]
    (only,) = comparison.comparisons(rows_of(tmp_path, records, "table1"), "rank-1")
    assert title(only) == "DDAN against Baseline"


def test_the_title_names_a_protocol_once(tmp_path):
    rows = ("baseline", "ddan")
    records = [record("protocol", f"classic-{row}", label=f"classic: {row}") for row in rows]
    (only,) = comparison.comparisons(rows_of(tmp_path, records, "protocol"), "rank-1")
    assert title(only) == "classic: ddan against baseline"


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        (Interval(1.0, 0.2, 1.9), "higher"),
        (Interval(-1.0, -1.9, -0.2), "lower"),
        (Interval(-0.3, -1.2, 0.6), "no difference shown"),
        (Interval(0.0, 0.0, 0.0), "no difference shown"),
    ],
)
def test_an_interval_with_zero_in_it_shows_no_difference(interval, says):
    assert verdict(interval, seeds=5) == says
    sure = says == "no difference shown"
    expected = says if sure else f"{says}, but too few seeds to conclude"
    assert verdict(interval, seeds=4) == expected


def test_sentences_claim_no_more_than_the_interval():
    found = sentence("L_SE", "points", Interval(-0.3, -1.2, 0.6), "5 seeds × 4 targets", 5)
    assert found.text == "L_SE: −0.3 points, 95 % CI −1.2 to +0.6, 5 seeds × 4 targets:"
    assert found.verdict == "no difference shown"
    found = sentence("L_SE", "points", Interval(7.0, math.nan, math.nan), "1 seed × 4 targets", 1)
    assert found.text == "L_SE: +7.0 points, 1 seed × 4 targets:"
    assert found.verdict == "one seed, so no interval and no conclusion"


def test_small_distances_keep_digits_that_count():
    assert [decimals(v) for v in (9.0, 0.1, 0.04, 0.0021, 1e-9, 0.0)] == [2, 2, 4, 5, 5, 2]


def test_numbers_as_printed():
    assert [signed(v) for v in (1.25, -0.3, 0.04, -0.04, 0.0, 0.001, -0.001)] == [
        "+1.2", "−0.3", "+0.04", "−0.04", "0.0", "0.00", "0.00",
    ]  # fmt: skip
    assert mean_std([1.0, 3.0]) == "2.0 ± 1.4"
    assert mean_std([1.0]) == "1.0"
    assert mean_std([]) == "–"


def test_a_row_that_says_what_it_adds_is_called_by_that():
    before, after = (
        results.Row(key, label, [record()])
        for key, label in (("triplet", "L_IDE + L_Triplet"), ("tried", "+ L_DA, weight 5"))
    )
    compared = comparison.compare(before, after, "rank-1")
    assert comparison.title(compared) == "L_DA, weight 5"
