"""Rank-k and mAP against their definitions, and the features that they are of."""

import numpy as np
import pytest
import torch
from torch import nn

from ddan_torchreid.evaluation import FeatureSet, extract_features, score
from tests.evaluation.reference import rankings


def random_sets(seed, gallery=40, persons=6):
    """Twelve queries of one camera, and a gallery of three."""
    rng = np.random.default_rng(seed)
    return (
        FeatureSet(
            torch.from_numpy(rng.normal(size=(count, 5))).float(),
            rng.integers(persons, size=count),
            rng.integers(cameras, size=count),
        )
        for count, cameras in ((12, 1), (gallery, 3))
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gallery", [15, 40, 120])
def test_scores_are_their_definitions_for_small_and_large_galleries(seed, gallery):
    query, others = random_sets(seed, gallery)
    scores = score(query, others, [1, 2, 5, 10, 20, 60])
    unit = [each.features / each.features.norm(dim=1, keepdim=True) for each in (query, others)]
    labels = (query.pids, others.pids, query.camids, others.camids)
    found = rankings(torch.cdist(*unit).numpy(), *labels)
    places = [np.flatnonzero(hits) + 1 for hits in found]
    expected = {rank: np.mean([each[0] <= rank for each in places]) for rank in scores.ranks}
    assert scores.ranks == pytest.approx(expected)
    precisions = [np.mean(np.arange(1, len(each) + 1) / each) for each in places]
    assert scores.mean_ap == pytest.approx(np.mean(precisions))
    assert scores.distances.shape == (12, gallery)


class Flatten(nn.Module):
    def __init__(self, value=1.0):
        super().__init__()
        self.value = value

    def forward(self, images):
        assert not self.training
        return self.value * images.flatten(1)


def batches():
    for start in (0, 2):
        images = torch.arange(12.0).reshape(2, 3, 1, 2) + start
        yield {"img": images, "pid": torch.tensor([start, 9]), "camid": torch.tensor([1, start])}


def test_features_come_in_order_and_the_mode_is_restored():
    model = Flatten().train()
    result = extract_features(model, batches(), torch.device("cpu"))
    assert model.training
    assert result.features[:, 0].tolist() == [0, 6, 2, 8]
    assert result.pids.tolist() == [0, 9, 2, 9]
    assert result.camids.tolist() == [1, 0, 1, 2]


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(FloatingPointError, match="not finite"):
        extract_features(Flatten(float("nan")), batches(), torch.device("cpu"))
