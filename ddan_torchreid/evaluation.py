"""Scoring a model on target domains with torchreid's metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torchreid
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from .matching import count_matches, explain_no_match


@dataclasses.dataclass
class FeatureSet:
    """Features (n, D) on the CPU with the person (n,) and camera (n,) of each image."""

    features: Tensor
    pids: np.ndarray
    camids: np.ndarray


@dataclasses.dataclass
class Scores:
    """Rank-k accuracies by k and mAP, all fractions, and the (query, gallery) distances."""

    ranks: dict[int, float]
    mean_ap: float
    distances: np.ndarray

    @property
    def rank1(self) -> float:
        """Share of the queries whose nearest gallery image is a match."""
        return self.ranks[1]


@torch.no_grad()
def extract_features(model: nn.Module, loader: DataLoader, device: torch.device) -> FeatureSet:
    """Test-time features of every image of a loader.

    Args:
        model: returns (B, D) in evaluation mode; its mode is restored afterwards.
        loader: yields torchreid's batches (``img``, ``pid``, ``camid``).
        device: of the model.

    Raises:
        FloatingPointError: a feature is not finite; the ranks would look plausible all the same.
    """
    was_training = model.training
    model.eval()
    features, pids, camids = [], [], []
    for batch in loader:
        images = batch["img"].to(device, non_blocking=True)
        features.append(model(images.contiguous(memory_format=torch.channels_last)).float().cpu())
        pids.append(batch["pid"].numpy())
        camids.append(batch["camid"].numpy())
    model.train(was_training)
    matrix = torch.cat(features)
    if not torch.isfinite(matrix).all():
        raise FloatingPointError(
            "the model returns features that are not finite; load other weights, or train again "
            "at a lower learning rate"
        )
    return FeatureSet(matrix, np.concatenate(pids), np.concatenate(camids))


def score(
    query: FeatureSet,
    gallery: FeatureSet,
    ranks: Sequence[int] = (1, 5, 10, 20),
    dist_metric: str = "euclidean",
    normalize_feature: bool = True,
    rerank: bool = False,
    use_metric_cuhk03: bool = False,
) -> Scores:
    """Ranks the gallery for every query and scores it with ``torchreid.metrics``.

    Gallery images of the query's own person and camera are left out, as torchreid does. A rank
    beyond the size of the gallery counts the whole gallery.

    Args:
        query: the query images.
        gallery: the gallery images.
        ranks: the k of the rank-k accuracies; rank 1 is always added.
        dist_metric: ``'euclidean'`` (squared) or ``'cosine'``.
        normalize_feature: L2-normalise first, as DDAN does.
        rerank: k-reciprocal re-ranking.
        use_metric_cuhk03: CUHK03's classic single-gallery-shot metric.

    Raises:
        ValueError: no query has a match in the gallery.
    """
    q, g = query.features, gallery.features
    if normalize_feature:
        q, g = F.normalize(q), F.normalize(g)
    distances = torchreid.metrics.compute_distance_matrix(q, g, dist_metric).numpy()
    if rerank:
        distances = torchreid.utils.re_ranking(
            distances,
            torchreid.metrics.compute_distance_matrix(q, q, dist_metric).numpy(),
            torchreid.metrics.compute_distance_matrix(g, g, dist_metric).numpy(),
        )
    labels = (query.pids, query.camids, gallery.pids, gallery.camids)
    if not count_matches(*labels).matched:
        raise ValueError(explain_no_match(*labels))
    wanted = sorted({1, *ranks})
    # torchreid fails when a query keeps fewer gallery images than the longest rank, so the gallery
    # is filled up with images of nobody, farther than all others: no rank and no AP changes.
    longest = max(50, wanted[-1])
    own_camera = (query.pids[:, None] == gallery.pids) & (query.camids[:, None] == gallery.camids)
    kept = len(gallery.pids) - int(own_camera.sum(1).max())
    filler = 0 if use_metric_cuhk03 else max(0, longest - kept)
    nobody = min(query.pids.min(), gallery.pids.min()) - 1
    cmc, mean_ap = torchreid.metrics.evaluate_rank(
        np.pad(distances, ((0, 0), (0, filler)), constant_values=np.inf),
        query.pids,
        np.pad(gallery.pids, (0, filler), constant_values=nobody),
        query.camids,
        np.pad(gallery.camids, (0, filler)),
        max_rank=longest,
        use_metric_cuhk03=use_metric_cuhk03,
    )
    rank_accuracies = {rank: float(cmc[min(rank, len(cmc)) - 1]) for rank in wanted}
    return Scores(rank_accuracies, float(mean_ap), distances)


def print_scores(scores: Scores) -> None:
    """Prints the scores in torchreid's format."""
    print("** Results **")
    print(f"mAP: {scores.mean_ap:.1%}")
    print("CMC curve")
    for rank, accuracy in scores.ranks.items():
        print(f"Rank-{rank:<3}: {accuracy:.1%}")


def mean_scores(scores: dict[str, Scores]) -> dict[str, float]:
    """Means over the targets, as fractions, keyed ``rank-1``, ``rank-5``, ..., ``mAP``."""
    rows = [as_row(each) for each in scores.values()]
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def as_row(scores: Scores) -> dict[str, Any]:
    """One table row: ``rank-1``, ``rank-5``, ..., ``mAP``, as fractions."""
    return {**{f"rank-{k}": value for k, value in scores.ranks.items()}, "mAP": scores.mean_ap}
