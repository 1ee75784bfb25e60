"""Scores on validation domains that use every image: each is a query against all other cameras."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torchreid
from yacs.config import CfgNode

from ddan_torchreid.evaluation import as_row, evaluate_protocol


def validation_scores(engine: Any, config: CfgNode) -> dict[str, dict[str, float]]:
    """``validation`` of a record: rank-1 and mAP as fractions for each target.

    An image that no other camera has of its person is no query, as in Market-1501's protocol.

    Args:
        engine: with a trained model, whose targets are sets of one's own without a split.
        config: of the run.
    """
    datamanager = engine.datamanager
    sets = {
        name: torchreid.data.datasets.init_image_dataset(
            name, root=config.data.root, mode="train", verbose=False
        ).train
        for name in datamanager.targets
    }
    loaders = next(iter(datamanager.test_loader.values()))
    everyone = SimpleNamespace(
        targets=list(sets),
        test_dataset={name: {"query": each, "gallery": each} for name, each in sets.items()},
        test_loader=dict.fromkeys(sets, loaders),
        transform_te=datamanager.transform_te,
    )
    found = evaluate_protocol(engine.model, everyone, splits=0)
    rows = {name: as_row(scores) for name, scores in found.scores.items()}
    return {name: {key: row[key] for key in ("rank-1", "mAP")} for name, row in rows.items()}
