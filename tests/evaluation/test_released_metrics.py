"""The released code's columns, against implementations of their own."""

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve

from ddan_torchreid.evaluation.ranking import rank_matches
from ddan_torchreid.evaluation.released_metrics import legacy_columns
from tests.evaluation.reference import labelled_distances, rankings


def slow_columns(*labelled):
    columns = {"legacy rank-1": [], "legacy rank-5": [], "legacy rank-10": [], "legacy mAP": []}
    for hits in rankings(*labelled):
        places = np.flatnonzero(hits)
        curve = np.zeros(len(hits))
        for before, place in enumerate(places):
            curve[place - before :] += 1 / len(places)
        for name, index in (("legacy rank-1", 0), ("legacy rank-5", 1), ("legacy rank-10", 5)):
            columns[name].append(curve[index])
        precision, recall, _ = precision_recall_curve(hits, -np.arange(len(hits)))
        columns["legacy mAP"].append(auc(recall, precision))
    return {name: np.mean(values) for name, values in columns.items()}


def single_shot(seed, persons=80):
    rng = np.random.default_rng(seed)
    distances = rng.random((persons, persons), dtype=np.float32)
    distances[np.diag_indices(persons)] *= 0.05
    views = np.zeros(persons, dtype=int)
    return distances, np.arange(persons), np.arange(persons), views, views + 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [labelled_distances, single_shot])
def test_columns_are_those_of_a_slow_implementation(seed, kind):
    labelled = kind(seed)
    assert legacy_columns(rank_matches(*labelled)) == pytest.approx(slow_columns(*labelled))
