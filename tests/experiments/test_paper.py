"""What the paper's tables say of each other holds for the numbers as they stand here."""

import numpy as np
import pytest

from ddan_torchreid.data.datasets import published
from ddan_torchreid.experiments import paper


def test_table_2_is_symmetric_and_sums_up():
    matrix = np.array(paper.TABLE2)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix.sum(1), paper.TABLE2_SUMS, atol=0.011)
    assert sum(paper.TABLE2_PAIRWISE) == pytest.approx(paper.TABLE2_PAIRWISE_SUM)
    assert paper.SOURCES[int(np.argmin(paper.TABLE2_SUMS))] == "cuhksysu"


def test_rows_that_are_the_same_model_have_the_same_numbers():
    assert paper.TABLE5["alignment"] == paper.TABLE3["cuhksysu"]
    assert paper.TABLE5["similarity"] == tuple(paper.TABLE1["ddan"][t][0] for t in paper.TARGETS)


def test_the_columns_of_table_1_are_what_the_note_says():
    """Rank-1 <= rank 2 <= rank 6, and a trapezoid AP lies between rank-1 and rank 2."""
    for row in paper.TABLE1.values():
        for first, second, sixth, trapezoid in row.values():
            assert first <= second <= sixth
            assert first <= trapezoid <= first + (100 - first) / 2


def test_each_step_of_table_5_helps_on_each_target():
    rows = np.array(list(paper.TABLE5.values()))
    assert (np.diff(rows, axis=0) > 0).all()


def test_names_are_those_of_datasets_and_unknown_ones_have_no_number():
    assert {*paper.SOURCES, *paper.TARGETS} <= set(published.DATASETS)
    assert paper.rank1("table1", "baseline", "prid") == 46.4
    assert paper.rank1("table1", "ddan", "prid") == 54.5
    assert paper.rank1("table3", "pairwise", "grid") == 44.2
    assert paper.rank1("table5", "identity", "rendered_snow") is None
    assert paper.rank1("figure3", "k-8", "prid") is None
