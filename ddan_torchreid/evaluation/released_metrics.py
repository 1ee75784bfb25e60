"""The columns of the paper's Table 1 as the authors' released evaluation computes them.

It reads the CMC at wrong positions, so that its "rank-5" and "rank-10" are ranks 2 and 6, and its
average precision is the area under the precision-recall curve by trapezoids, which gives a single
match at rank r > 1 1/(2r) instead of 1/r. These columns are for comparing with the printed numbers
only.
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

    As released, each match of a query counts for a part of it, at its rank among the images that
    are no match. With one match per query, mAP = 2 * legacy mAP - rank-1.
    """

    def mean_over_queries(values: np.ndarray) -> float:
        sums = np.add.reduceat(values.astype(float), matches.starts)
        return float((sums / matches.counts).mean())

    ranks, numbers = matches.ranks, matches.numbers
    columns = {name: mean_over_queries(ranks - numbers < rank) for name, rank in _RANKS.items()}
    # The precision before a match and at it; the curve starts at 1, whatever comes first.
    before = np.divide(numbers - 1, ranks - 1, where=ranks > 1, out=np.ones(len(ranks)))
    columns["legacy mAP"] = mean_over_queries((before + numbers / ranks) / 2)
    return columns
