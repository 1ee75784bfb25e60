"""Scores on validation domains that use every image: each is a query against all other cameras."""

from __future__ import annotations

from typing import Any

import torch
import torchreid
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from ddan_torchreid.data.reading import SafeImageDataset
from ddan_torchreid.evaluation import extract_features

from .photographs import VALIDATION


def validation_scores(engine: Any, config: CfgNode) -> dict[str, dict[str, float]]:
    """``validation`` of a record: rank-1 and mAP as fractions for each validation domain.

    As on the paper's targets, a gallery has no image of the query's own camera: neither of its
    person nor of others. An image of a person that no other camera has seen is no query.

    Args:
        engine: with a trained model.
        config: of the run.
    """
    found = {}
    for name in VALIDATION:
        items = torchreid.data.datasets.init_image_dataset(
            name, root=config.data.root, mode="train", verbose=False
        ).train
        images = SafeImageDataset(
            items, items[:1], items[:1], transform=engine.datamanager.transform_te, mode="train",
            verbose=False,
        )  # fmt: skip
        loader = DataLoader(images, config.test.batch_size)
        features = extract_features(engine.bare_model, loader, engine.device)
        found[name] = across_cameras(
            features.features, torch.as_tensor(features.pids), torch.as_tensor(features.camids)
        )
    return found


def across_cameras(features: Tensor, pids: Tensor, cameras: Tensor) -> dict[str, float]:
    """Rank-1 and mAP, means over the queries, of images against those of all other cameras.

    Args:
        features: (n, D); they are compared by cosine similarity.
        pids: (n,) persons.
        cameras: (n,).
    """
    features = F.normalize(features.double())
    hidden = cameras[:, None] == cameras
    similarity = (features @ features.t()).masked_fill(hidden, -torch.inf)
    order = similarity.argsort(dim=1, descending=True)
    match = ((pids[:, None] == pids) & ~hidden).gather(1, order)
    match = match[match.any(1)]
    ranks = torch.arange(1, match.shape[1] + 1)
    precision = match.cumsum(1) / ranks
    average = (precision * match).sum(1) / match.sum(1)
    return {"rank-1": float(match[:, 0].double().mean()), "mAP": float(average.mean())}
