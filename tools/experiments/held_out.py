"""Scores on held-out source identities: other people, in the domains that a run was trained on.

What a term gains there too is better recognition, not better generalisation.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torchreid
from yacs.config import CfgNode

from ddan_torchreid.evaluation import as_row, evaluate_protocol


def held_out_scores(engine: Any, config: CfgNode) -> dict[str, dict[str, float]]:
    """``held_out`` of a record: the sources' own query and gallery, where they have them.

    Args:
        engine: with a trained model.
        config: of the run, with ``data.combineall False``: nobody in them was trained on.

    Returns:
        For each such source ``rank-1`` and ``mAP`` as fractions.
    """
    datamanager = engine.datamanager
    sets = {
        name: torchreid.data.datasets.init_image_dataset(
            name, root=config.data.root, mode="train", verbose=False
        )
        for name in config.data.sources
    }
    # Own data may have no query, and CUHK-SYSU's is a training image.
    sets = {
        name: each
        for name, each in sets.items()
        if each.query and not {item[0] for item in each.query} & {item[0] for item in each.train}
    }
    if not sets:
        return {}
    # As the targets are read: their transform, their size of a batch.
    loaders = next(iter(datamanager.test_loader.values()))
    at_home = SimpleNamespace(
        targets=list(sets),
        test_dataset={name: {"query": s.query, "gallery": s.gallery} for name, s in sets.items()},
        test_loader=dict.fromkeys(sets, loaders),
        transform_te=datamanager.transform_te,
    )
    found = evaluate_protocol(engine.model, at_home, splits=0)
    rows = {name: as_row(scores) for name, scores in found.scores.items()}
    return {name: {key: row[key] for key in ("rank-1", "mAP")} for name, row in rows.items()}
