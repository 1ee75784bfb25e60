"""New people of the sources beside those of the targets, against numbers made by hand."""

# ruff: noqa: RUF001 - the report prints minus and multiplication signs

import pytest

from ddan_torchreid.report import home_parts, results
from tests.report.sample import ROWS, explained, table5, with_in_bn, write


def experiment_of(tmp_path, records):
    return results.load(write(tmp_path, records)).experiments["table5"]


@pytest.fixture
def experiment(tmp_path):
    return experiment_of(tmp_path, explained())


def test_every_row_at_home_and_away(experiment):
    _, table, _ = home_parts.homes(experiment)
    assert len(table.rows) == 4
    # Seeds 1 and 2: 20.4 and 20.8 points on the first target, ten more on the second; at home
    # 50 points and twice what is above 20, and ten more on each further source.
    assert table.rows[0] == [
        "L_IDE", "61.2 ± 0.6", "25.6 ± 0.3", "35.6 ± 0.3", "40.6 ± 0.3", "25.6 ± 0.3", "15.0 ± 0.0",
    ]  # fmt: skip


def test_every_difference_at_home_and_away(experiment):
    *_, table = home_parts.homes(experiment)
    assert [line[0] for line in table.rows] == [
        "L_Triplet added", "L_DA added", "L_SE added", "All terms against L_IDE alone",
    ]  # fmt: skip
    # Seed 1 falls back by 4.2 points, seed 2 by 4.4: 12.7 standard errors of 0.1 on either side.
    assert table.rows[0] == [
        "L_Triplet added", "+8.6", "+8.4 to +8.8", "+4.3", "+4.2 to +4.4", "+4.3", "+3.0 to +5.6",
        "2 seeds",
    ]  # fmt: skip


def test_sentences_of_the_distance_and_of_each_step(experiment):
    level, triplet, alignment, similarity = home_parts.findings(experiment)
    assert level.text == (
        "New people of the sources have a mean rank-1 of 69.8 ± 0.8 % under L_IDE + L_Triplet, the "
        "targets' one of 29.9 ± 0.4 %, 39.9 points less (2 seeds)."
    )
    assert triplet.text == (
        "L_Triplet added, on new people of the sources: +8.6 points of mean rank-1, 95 % CI +8.4 "
        "to +8.8, 2 seeds × 3 sources:"
    )
    assert triplet.verdict == "higher, but too few seeds to conclude"
    assert "−0.8 to −0.4" in alignment.text
    assert similarity.text.startswith("L_SE added, on new people of the sources: −4.0")


def test_only_the_seeds_that_were_scored_at_home_count(tmp_path):
    records = explained((1, 2, 3))
    for each in records:
        if each["seed"] == 2:
            del each["home"]
    _, table, changes = home_parts.homes(experiment_of(tmp_path, records))
    # Seeds 1 and 3 of the targets, too.
    assert table.rows[0][1:3] == ["61.6 ± 1.1", "25.8 ± 0.6"]
    assert {line[-1] for line in changes.rows} == {"2 seeds"}


def test_in_bn_is_compared_with_bn_at_home(tmp_path):
    found = home_parts.findings(experiment_of(tmp_path, with_in_bn(explained())))
    assert len(found) == 10
    # IN/BN against BN opens the report; the steps within IN/BN do not.
    assert [each.aside for each in found] == [False, True, *[False] * 3, *[True] * 3, False, False]
    assert found[-1].text.startswith(
        f"IN/BN in {ROWS['similarity'][0]}, on new people of the sources: −10.0 points"
    )


def test_nothing_is_said_without_such_scores(tmp_path):
    experiment = experiment_of(tmp_path, table5())
    assert home_parts.homes(experiment) == []
    assert home_parts.findings(experiment) == []
