"""``test.rerank`` is refused before anything is computed where its memory is not there."""

import tracemalloc

import numpy as np
import pytest
import torch
import torchreid

from ddan_torchreid.cli import main
from ddan_torchreid.evaluation import FeatureSet, score
from ddan_torchreid.evaluation.scores import BYTES_A_PAIR
from ddan_torchreid.system import memory
from tests.commands.refused import refused


def test_the_estimate_is_what_torchreid_takes():
    queries, gallery = 60, 300
    points = np.random.default_rng(0).random((queries + gallery, 3), dtype=np.float32)
    distances = ((points[:, None] - points) ** 2).sum(2)
    tracemalloc.start()
    # These three are a part of it.
    parts = (distances[:queries, queries:], distances[:queries, :queries])
    parts = (*(each.copy() for each in parts), distances[queries:, queries:].copy())
    torchreid.utils.re_ranking(*parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak == pytest.approx(BYTES_A_PAIR * (queries + gallery) ** 2, rel=0.15)


def test_scores_refuse_what_would_be_killed(monkeypatch):
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    query = FeatureSet(features[:2], np.array([0, 1]), np.array([0, 0]))
    gallery = FeatureSet(features[2:], np.array([0, 1, 0, 1]), np.array([1, 1, 1, 1]))
    needed = BYTES_A_PAIR * 6**2
    for there in (needed, None):
        monkeypatch.setattr(memory, "available", lambda there=there: there)
        assert score(query, gallery, rerank=True).distances.shape == (2, 4)
    monkeypatch.setattr(memory, "available", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"2 queries and 4 gallery images.*test\.rerank False"):
        score(query, gallery, rerank=True)
    score(query, gallery)


def test_a_training_is_refused_before_its_engine_is_built(words, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(memory, "available", lambda: 10)
    save = ["data.save_dir", str(tmp_path / "log"), "model.pretrained", "False"]
    assert "gallery images of snow" in refused([*words, *save, "test.rerank", "True"], capsys)
    assert not (tmp_path / "log").exists()
    # A command that ranks nothing does not ask for it.
    assert main(["central-domain", *words[1:], *save, "test.rerank", "True"]) == 0
