"""Rank-k accuracies, mAP and mINP of one query set and one gallery."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torchreid
from torch import Tensor
from torch.nn import functional as F

from .. import distributed
from ..system import memory
from .features import FeatureSet
from .ranking import EVALUATORS, rank_matches
from .released_metrics import legacy_columns

BYTES_A_PAIR = 24
"""What torchreid's re_ranking has at its peak for each pair of images: distances, squared distances
and neighbour weights in 4 bytes, and the order of the neighbours in 8 and in 4."""


@dataclasses.dataclass
class Scores:
    """Figures of a target, all of them fractions.

    Attributes:
        ranks: rank-k accuracies by k.
        mean_ap: mAP.
        distances: (Q, G); empty where the figures are means over several splits.
        mean_inp: mINP (Ye et al., TPAMI 2022): how early the last match of a query comes.
        legacy: the released code's columns, if they were asked for.
    """

    ranks: dict[int, float]
    mean_ap: float
    distances: np.ndarray
    mean_inp: float
    legacy: dict[str, float]

    @property
    def rank1(self) -> float:
        """Share of the queries whose nearest gallery image is a match."""
        return self.ranks[1]


def score(
    query: FeatureSet,
    gallery: FeatureSet,
    ranks: Sequence[int] = (1, 5, 10, 20),
    dist_metric: str = "euclidean",
    normalize_feature: bool = True,
    rerank: bool = False,
    use_metric_cuhk03: bool = False,
    evaluator: str = "ddan",
    legacy_metrics: bool = False,
) -> Scores:
    """Ranks the gallery for every query and scores it.

    Gallery images of the query's own person and camera are left out, as in torchreid, and so are
    queries without a match. A rank beyond the size of the gallery counts the whole gallery.

    Args:
        query: of Q images.
        gallery: of G images.
        ranks: the k of the rank-k accuracies; rank 1 is always added.
        dist_metric: ``'euclidean'`` (squared) or ``'cosine'``.
        normalize_feature: L2-normalise first, as DDAN does.
        rerank: k-reciprocal re-ranking, whose memory grows with (Q + G) squared.
        use_metric_cuhk03: CUHK03's classic single-gallery-shot metric; mINP stays that of the
            whole gallery.
        evaluator: CMC and mAP from this package (``'ddan'``) or from torchreid's evaluator
            (``'torchreid'``): the same values, much more slowly.
        legacy_metrics: also the released code's columns.

    Raises:
        ValueError: no query has a match in the gallery; there is no memory for re-ranking.
    """
    q, g = query.features, gallery.features
    if normalize_feature:
        q, g = F.normalize(q), F.normalize(g)

    def between(a: Tensor, b: Tensor) -> np.ndarray:
        return torchreid.metrics.compute_distance_matrix(a, b, dist_metric).numpy()

    if rerank:
        check_memory(len(q), len(g))
        distances = torchreid.utils.re_ranking(between(q, g), between(q, q), between(g, g))
    else:
        distances = between(q, g)
    wanted = sorted({1, *ranks})
    longest = max(50, wanted[-1])
    matches = rank_matches(distances, query.pids, gallery.pids, query.camids, gallery.camids)
    if use_metric_cuhk03 or evaluator == "torchreid":
        cmc, mean_ap = _torchreid_scores(distances, query, gallery, longest, use_metric_cuhk03)
    else:
        cmc = matches.cmc(min(longest, len(gallery.pids)))
        mean_ap = matches.average_precision().mean()
    return Scores(
        ranks={rank: float(cmc[min(rank, len(cmc)) - 1]) for rank in wanted},
        mean_ap=float(mean_ap),
        distances=distances,
        mean_inp=float(matches.inverse_negative_penalty().mean()),
        legacy=legacy_columns(matches) if legacy_metrics else {},
    )


def score_once(query: FeatureSet, gallery: FeatureSet, **options: Any) -> Scores:
    """:func:`score` by the first process for all of them; the others get no distances."""
    scores = score(query, gallery, **options) if distributed.is_first() else None
    without = scores and dataclasses.replace(scores, distances=np.empty((0, 0)))
    shared: Any = distributed.share(without)  # by all processes
    return scores or shared


def check_memory(queries: int, gallery: int, target: str = "") -> None:
    """Refuses re-ranking, which would end with a killed run, where its memory is not there.

    Args:
        queries: number of query images.
        gallery: number of gallery images.
        target: the dataset's name, for the message.

    Raises:
        ValueError: less memory than re-ranking needs can be had.
    """
    needed, there = BYTES_A_PAIR * (queries + gallery) ** 2, memory.available()
    if there is not None and needed > there:
        of = f" of {target}" if target else ""
        raise ValueError(
            f"test.rerank needs about {needed / 1e9:,.1f} GB of memory for the {queries:,} queries "
            f"and {gallery:,} gallery images{of}, and {there / 1e9:,.1f} GB can be had; write "
            "test.rerank False"
        )


def _torchreid_scores(
    distances: np.ndarray, query: FeatureSet, gallery: FeatureSet, longest: int, cuhk03: bool
) -> tuple[np.ndarray, float]:
    # torchreid fails when a query keeps fewer gallery images than the longest rank, so the gallery
    # is filled up with images of nobody, farther than all others, which changes no rank and no AP.
    own_camera = (query.pids[:, None] == gallery.pids) & (query.camids[:, None] == gallery.camids)
    kept = len(gallery.pids) - int(own_camera.sum(1).max())
    filler = 0 if cuhk03 else max(0, longest - kept)
    nobody = min(query.pids.min(), gallery.pids.min()) - 1
    return EVALUATORS["torchreid"](
        np.pad(distances, ((0, 0), (0, filler)), constant_values=np.inf),
        query.pids,
        np.pad(gallery.pids, (0, filler), constant_values=nobody),
        query.camids,
        np.pad(gallery.camids, (0, filler)),
        max_rank=longest,
        use_metric_cuhk03=cuhk03,
    )


def print_scores(scores: Scores) -> None:
    """Prints the scores in torchreid's format, with mINP."""
    print("** Results **")
    print(f"mAP: {scores.mean_ap:.1%}")
    print(f"mINP: {scores.mean_inp:.1%}")
    print("CMC curve")
    for rank, accuracy in scores.ranks.items():
        print(f"Rank-{rank:<3}: {accuracy:.1%}")


def mean_scores(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Means over the targets, as fractions, with the keys of :func:`as_row`."""
    rows = [as_row(each) for each in scores.values()]
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def as_row(scores: Scores) -> dict[str, float]:
    """One table row of fractions: ``rank-1``, ..., ``mAP``, ``mINP``, and legacy columns if any."""
    ranks = {f"rank-{rank}": accuracy for rank, accuracy in scores.ranks.items()}
    return {**ranks, "mAP": scores.mean_ap, "mINP": scores.mean_inp, **scores.legacy}
