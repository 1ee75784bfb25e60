"""Scores at home: on people that no run was trained on, in the domains that it was trained on.

What a term gains there too is better recognition, not better generalisation; and how far the
targets lie below is the distance that aligning domains is meant to close.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torchreid
from yacs.config import CfgNode

from ..evaluation import as_row, evaluate_protocol

METRICS = ("rank-1", "mAP")


def home_scores(engine: Any, config: CfgNode, **scoring: Any) -> dict[str, dict[str, float]]:
    """``home`` of a record: the sources' own query and gallery, whose people are no training ones.

    Args:
        engine: with a trained model.
        config: of the run, with ``data.combineall False``, so that query and gallery were not
            trained on.
        **scoring: as the targets are scored.

    Returns:
        For each source ``rank-1`` and ``mAP`` as fractions.
    """
    datamanager = engine.datamanager
    sets = {
        name: torchreid.data.datasets.init_image_dataset(name, root=config.data.root, verbose=False)
        for name in config.data.sources
    }
    # As the targets are read: their transform, their size of a batch.
    loaders = next(iter(datamanager.test_loader.values()))
    at_home = SimpleNamespace(
        targets=list(sets),
        test_dataset={name: {"query": s.query, "gallery": s.gallery} for name, s in sets.items()},
        test_loader=dict.fromkeys(sets, loaders),
        transform_te=datamanager.transform_te,
    )
    found = evaluate_protocol(engine.model, at_home, splits=0, **scoring)
    rows = {name: as_row(scores) for name, scores in found.scores.items()}
    return {name: {metric: float(row[metric]) for metric in METRICS} for name, row in rows.items()}
