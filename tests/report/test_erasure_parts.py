"""What would be gained without any trace of the source, against numbers made by hand."""

# ruff: noqa: RUF001 - the report prints minus signs

import numpy as np
import pytest

from ddan_torchreid.report import erasure_parts, results
from ddan_torchreid.report.blocks import Table
from tests.report.sample import ROWS, explained, table5, write


@pytest.fixture
def experiment(tmp_path):
    return results.load(write(tmp_path, explained())).experiments["table5"]


def test_a_line_for_each_row_and_each_question(experiment):
    _, table = erasure_parts.erasures(experiment)
    assert isinstance(table, Table)
    assert len(table.rows) == 8
    # Seeds gain 1.0 and 2.0 points without the source, and lose 0.1 without the centre.
    assert table.rows[1] == [
        "which source it is", ROWS["triplet"][0], "2", "20.0 ± 0.0", "40.0 ± 0.0",
        "+1.5", "+1.0 to +2.0", "+1.5", "+1.0 to +2.0", "higher, but too few seeds to conclude",
    ]  # fmt: skip
    assert table.rows[5][:6] == [
        "whether it is the centre", ROWS["triplet"][0], "1", "10.0 ± 0.0", "50.0 ± 0.0", "−0.1",
    ]  # fmt: skip


def test_sentences_of_what_there_is_to_gain_and_what_alignment_leaves(experiment):
    before, centre, after = erasure_parts.findings(experiment.rows)
    assert before.text.startswith(
        "Taking out of the features under L_IDE + L_Triplet what tells a linear classifier which "
        "source it is (2 directions; the probe is then right in 40.0 ± 0.0 %): +1.5 points of mean "
        "rank-1, 95 % CI +1.0 to +2.0, 2 seeds × 2 targets"
    )
    assert "whether it is the centre (1 direction; the probe is then right in 50.0" in centre.text
    assert ROWS["alignment"][0] in after.text


def test_only_the_seeds_that_were_scored_so_count(tmp_path):
    records = explained((1, 2, 3))
    for each in records:
        if each["seed"] == 2:
            del each["erased"]
    experiment = results.load(write(tmp_path, records)).experiments["table5"]
    found = erasure_parts.without(experiment.rows["triplet"], "sources", "rank-1")
    # Seeds 1 and 3: 1.0 and 3.0 points on both targets.
    np.testing.assert_allclose(found.cells, [[1.0, 1.0], [3.0, 3.0]])


def test_nothing_is_said_without_such_scores(tmp_path):
    experiment = results.load(write(tmp_path, table5())).experiments["table5"]
    assert erasure_parts.erasures(experiment) == []
    assert erasure_parts.findings(experiment.rows) == []
