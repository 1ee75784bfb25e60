"""The ranks of each query's matches in its gallery, and CMC, AP and INP from them.

torchreid sorts the whole gallery for every query and walks through it in Python. All of its figures
follow from the ranks of the matches alone, and a match's rank is one more than the number of
gallery images that are nearer: a comparison and a count for each match, without sorting.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torchreid
from numpy.typing import ArrayLike, NDArray

from ..data.datasets.matching import explain_no_match
from .ranked_pictures import draw_ranked_lists

# Of a person with more images, sorting the row is cheaper than counting for each of them.
_MOST_COUNTED = 256


@dataclasses.dataclass(frozen=True)
class MatchRanks:
    """Ranks of the matches of the V queries that have any; M matches in all.

    Attributes:
        ranks: (M,) from 1 on, in the gallery without images of the query's own person and camera;
            the matches of one query stand together, the nearest first.
        counts: (V,) number of matches of each query, at least one.
    """

    ranks: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """(V,) position of each query's nearest match."""
        return self.counts.cumsum() - self.counts

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(M,) 1 for the nearest match of a query, 2 for the next, and so on."""
        return np.arange(1, len(self.ranks) + 1) - self.starts.repeat(self.counts)

    def cmc(self, max_rank: int) -> NDArray[np.float32]:
        """(max_rank,) share of the queries with a match at rank 1, 2, ... or before."""
        first = np.minimum(self.ranks[self.starts], max_rank + 1)
        found = np.bincount(first, minlength=max_rank + 2)[1:-1].cumsum()
        # In torchreid's precision and order of operations, so that the values are the same.
        return found.astype(np.float32) / float(len(self.counts))

    def average_precision(self) -> NDArray[np.float64]:
        """(V,) mean of the precision at each match."""
        return np.add.reduceat(self.numbers / self.ranks, self.starts) / self.counts

    def inverse_negative_penalty(self) -> NDArray[np.float64]:
        """(V,) matches per gallery image up to the last match (mINP of Ye et al., TPAMI 2022)."""
        return self.counts / self.ranks[self.starts + self.counts - 1]


def rank_matches(
    distances: NDArray,
    query_pids: ArrayLike,
    gallery_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_camids: ArrayLike,
) -> MatchRanks:
    """Ranks every match as ``np.argsort`` of the distances would, ties included.

    Args:
        distances: (Q, G), smaller is nearer.
        query_pids, query_camids: (Q,) whole numbers, persons and cameras of the queries.
        gallery_pids, gallery_camids: (G,) those of the gallery.

    Raises:
        ValueError: no query has a match in the gallery.
    """
    distances = np.asarray(distances)
    queries = len(distances)
    _, persons = np.unique(np.concatenate([query_pids, gallery_pids]), return_inverse=True)
    _, cameras = np.unique(np.concatenate([query_camids, gallery_camids]), return_inverse=True)
    views = persons * (cameras.max(initial=0) + 1) + cameras
    # Sorted by person and then camera, a query's own person is one slice of the gallery, and what
    # its own camera saw of that person, which is left out, is a slice of the slice.
    order = np.lexsort((cameras[queries:], persons[queries:]))
    gallery_persons, gallery_views = persons[queries:][order], views[queries:][order]
    bounds = (
        np.searchsorted(gallery_persons, persons[:queries], "left"),
        np.searchsorted(gallery_views, views[:queries], "left"),
        np.searchsorted(gallery_views, views[:queries], "right"),
        np.searchsorted(gallery_persons, persons[:queries], "right"),
    )
    ranks = []
    for row, start, own_start, own_end, end in zip(distances, *bounds, strict=True):
        matches = np.concatenate([order[start:own_start], order[own_end:end]])
        if len(matches):
            ranks.append(_ranks(row, matches, order[own_start:own_end]))
    if not ranks:
        columns = query_pids, query_camids, gallery_pids, gallery_camids
        raise ValueError(explain_no_match(*map(np.asarray, columns)))
    return MatchRanks(np.concatenate(ranks), np.array([len(each) for each in ranks]))


def _ranks(row: NDArray, matches: NDArray, left_out: NDArray) -> NDArray:
    if len(matches) <= _MOST_COUNTED:
        at = np.sort(row[matches])

        def nearer(compare: np.ufunc, side: Literal["left", "right"]) -> NDArray:
            """How many wrong images are."""
            counts = np.array([np.count_nonzero(line) for line in compare(row, at[:, None])])
            return counts - compare(row[left_out], at[:, None]).sum(1) - at.searchsorted(at, side)

        wrong = nearer(np.less, "left")
        # Where another image is exactly as near as a match, or a match is at NaN, argsort decides.
        if (wrong == nearer(np.less_equal, "right")).all():
            return wrong + np.arange(1, len(at) + 1)
    places = np.empty(len(row), dtype=np.int64)
    places[np.argsort(row)] = np.arange(1, len(row) + 1)
    found = np.sort(places[matches])
    return found - np.searchsorted(np.sort(places[left_out]), found)


def evaluate_rank(
    distmat: NDArray,
    q_pids: NDArray,
    g_pids: NDArray,
    q_camids: NDArray,
    g_camids: NDArray,
    max_rank: int = 50,
    use_metric_cuhk03: bool = False,
    use_cython: bool = True,
) -> tuple[NDArray, Any]:
    """``torchreid.metrics.evaluate_rank`` in a fraction of its time, and with its arguments.

    CMC is equal to that of torchreid's Python evaluator and mAP differs by rounding only. Galleries
    of any size work: torchreid fails when a query keeps fewer than ``max_rank`` images. The CUHK03
    metric, which samples the gallery at random, is torchreid's.

    Args:
        distmat: (Q, G) distances.
        q_pids, q_camids: (Q,) persons and cameras of the queries.
        g_pids, g_camids: (G,) those of the gallery.
        max_rank: length of the CMC, at most the size of the gallery.
        use_metric_cuhk03: CUHK03's classic single-gallery-shot metric.
        use_cython: for that metric only.

    Returns:
        CMC (max_rank,) and mAP, as fractions.

    Raises:
        ValueError: no query has a match in the gallery.
    """
    labels = (q_pids, g_pids, q_camids, g_camids)
    if use_metric_cuhk03:
        return EVALUATORS["torchreid"](distmat, *labels, max_rank, True, use_cython)
    matches = rank_matches(distmat, *labels)
    return matches.cmc(min(max_rank, distmat.shape[1])), matches.average_precision().mean()


#: By the value of the option ``evaluator``.
EVALUATORS: dict[str, Callable[..., tuple[NDArray, Any]]] = {
    "ddan": evaluate_rank,
    "torchreid": torchreid.metrics.evaluate_rank,
}


@contextlib.contextmanager
def ranking_with(evaluator: str) -> Iterator[None]:
    """Lets torchreid's own engines, which look theirs up in torchreid, rank with an evaluator.

    As long as the block runs, ranked pictures are those of this package as well.

    Args:
        evaluator: ``'ddan'`` or ``'torchreid'``.
    """
    engines: Any = sys.modules[torchreid.engine.Engine.__module__]
    former = torchreid.metrics.evaluate_rank, engines.visualize_ranked_results
    torchreid.metrics.evaluate_rank = EVALUATORS[evaluator]
    engines.visualize_ranked_results = draw_ranked_lists
    try:
        yield
    finally:
        torchreid.metrics.evaluate_rank, engines.visualize_ranked_results = former
