"""Scores on new people of the sources, against torchreid's own with the sources as its targets."""

import pytest
import torchreid
from torch import nn

from ddan_torchreid.data import rendered
from ddan_torchreid.experiments.home import home_scores
from ddan_torchreid.integration import builder


class Pixels(nn.Module):
    """Images as features: what is trained for seconds gives all images nearly the same."""

    def __init__(self):
        super().__init__()
        self.where = nn.Linear(1, 1)  # a model has a device

    def forward(self, images):
        return images.flatten(1)


def engine_of(job, targets):
    config = job.config.clone()
    config.data.save_dir, config.data.targets = str(job.folder), list(targets)
    engine = builder.build(config)
    engine.model = Pixels()
    return engine, config


def test_they_are_those_of_torchreid_with_the_sources_as_targets(job):
    scoring = {"dist_metric": "euclidean", "normalize_feature": True, "ranks": [1]}
    home = home_scores(*engine_of(job(), rendered.TARGETS), **scoring)
    assert list(home) == list(rendered.SOURCES)
    engine, _ = engine_of(job(), rendered.SOURCES)
    for name, scores in home.items():
        loaders = engine.datamanager.test_loader[name]
        rank1, mean_ap = torchreid.engine.Engine._evaluate(
            engine, dataset_name=name, query_loader=loaders["query"],
            gallery_loader=loaders["gallery"], **scoring,
        )  # fmt: skip
        assert scores == pytest.approx({"rank-1": float(rank1), "mAP": float(mean_ap)})
    assert len({scores["mAP"] for scores in home.values()}) == len(home)
