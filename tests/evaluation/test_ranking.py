"""The evaluator that needs no sorting, against torchreid's and against the definitions."""

import numpy as np
import pytest

from ddan_torchreid.evaluation import ranking
from ddan_torchreid.evaluation.ranking import EVALUATORS, evaluate_rank, rank_matches
from tests.evaluation.reference import labelled_distances, mean_inp


def assert_same(labelled, max_rank=20, **options):
    cmc, mean_ap = evaluate_rank(*labelled, max_rank=max_rank, **options)
    expected, expected_ap = EVALUATORS["torchreid"](
        *labelled, max_rank=max_rank, use_cython=False, **options
    )
    np.testing.assert_array_equal(cmc, expected)
    assert cmc.dtype == expected.dtype
    assert mean_ap == pytest.approx(expected_ap, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [0, 2, 10, 1000])
def test_it_is_torchreids_with_and_without_ties(seed, levels):
    assert_same(labelled_distances(seed, levels=levels))
    assert_same(labelled_distances(seed, queries=5, gallery=700, persons=20, levels=levels))


def test_more_images_of_a_person_than_are_counted():
    persons = 2
    labelled = labelled_distances(0, queries=6, gallery=1500, persons=persons)
    assert 1500 / persons / 2 > ranking._MOST_COUNTED
    assert_same(labelled)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 0.0, -0.0])
def test_distances_that_are_special(value):
    distances, *labels = labelled_distances(2)
    distances[np.random.default_rng(0).random(distances.shape) < 0.2] = value
    assert_same((distances, *labels))


def test_layout_and_precision_of_the_matrix_and_size_of_the_labels_do_not_matter():
    distances, *labels = labelled_distances(3)
    assert_same((np.asfortranarray(distances), *labels))
    assert_same((distances.astype(np.float64), *labels))
    assert_same((np.repeat(distances, 2, axis=1)[:, ::2], *labels))
    scale = (10**12, 10**12, 10**9, 10**9)
    shifted = [column * factor - 7 for column, factor in zip(labels, scale, strict=True)]
    assert_same((distances, *shifted))


def test_a_gallery_smaller_than_the_longest_rank():
    distances = np.array([[0.3, 0.1, 0.2], [0.1, 0.2, 0.3]], dtype=np.float32)
    labels = [np.array(each) for each in ([1, 2], [1, 2, 3], [0, 0], [1, 1, 1])]
    cmc, mean_ap = evaluate_rank(distances, *labels)
    assert cmc.tolist() == [0.0, 0.5, 1.0]
    assert mean_ap == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_queries_without_a_match_do_not_count():
    distances = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]], dtype=np.float32)
    # The second query is of an absent person, the third was only seen by its own camera.
    labels = [np.array(each) for each in ([1, 9, 2], [1, 2], [0, 0, 1], [1, 1])]
    cmc, mean_ap = evaluate_rank(distances, *labels)
    assert cmc.tolist() == [1.0, 1.0]
    assert mean_ap == 1.0
    with pytest.raises(ValueError, match="no query has a match"):
        evaluate_rank(distances[1:], labels[0][1:], labels[1], labels[2][1:], labels[3])


@pytest.mark.parametrize("levels", [0, 5])
def test_mean_inp_is_its_definition(levels):
    labelled = labelled_distances(5, levels=levels)
    found = rank_matches(*labelled).inverse_negative_penalty().mean()
    assert found == pytest.approx(mean_inp(*labelled))


def test_the_cuhk03_metric_is_torchreids():
    labelled = labelled_distances(6)
    results = []
    for name in ("ddan", "torchreid"):
        np.random.seed(0)
        cmc, mean_ap = EVALUATORS[name](
            *labelled, max_rank=5, use_metric_cuhk03=True, use_cython=False
        )
        results.append([*cmc, mean_ap])
    assert results[0] == results[1]
