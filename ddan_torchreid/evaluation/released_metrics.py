"""The columns of the paper's Table 1 as the authors' released evaluation computes them.

It reads ranks off the wrong positions of the CMC, so that its "rank-5" and "rank-10" are ranks 2
and 6, and its average precision is the area under the precision-recall curve by trapezoids, which
gives 1/(2r) instead of 1/r to a single match at rank r > 1. These columns are for comparing with
the printed numbers only.
"""

from __future__ import annotations

import numpy as np

from .ranking import MatchRanks

# The column's name, and the rank that is read for it.
_RANKS = {"legacy rank-1": 1, "legacy rank-5": 2, "legacy rank-10": 6}
NOTE = (
    "legacy columns are those of the released code: its rank-5 and rank-10 are ranks 2 and 6, and "
    "its mAP is the area under trapezoids"
)


def legacy_columns(matches: MatchRanks) -> dict[str, float]:
    """``legacy rank-1``, ``legacy rank-5``, ``legacy rank-10`` and ``legacy mAP``, as fractions.

    As released, a query with several matches counts each of them in parts, at its rank among the
    images that are no match. With one match per query, mAP = 2 * legacy mAP - rank-1.
    """
    nearer = matches.numbers - 1
    wrong = matches.ranks - matches.numbers
    columns = {
        name: float(_mean_over_queries(matches, wrong < rank)) for name, rank in _RANKS.items()
    }
    # The curve starts at precision 1, whatever comes first.
    before = np.divide(
        nearer, matches.ranks - 1, where=matches.ranks > 1, out=np.ones(len(matches.ranks))
    )
    at = matches.numbers / matches.ranks
    columns["legacy mAP"] = float(_mean_over_queries(matches, (before + at) / 2))
    return columns


def _mean_over_queries(matches: MatchRanks, values: np.ndarray) -> np.floating:
    sums = np.add.reduceat(values.astype(float), matches.starts)
    return (sums / matches.counts).mean()
