"""The gradients of the loss terms on the mapping network, over the epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .diagnosis import TERMS
from .plots import by_epoch
from .results import Row
from .style import BLUE, GREEN, MARKERS, ORANGE, VERMILION, mathtext, svg

# The colour of the row that adds the term.
_COLOURS = dict(zip(TERMS, (ORANGE, BLUE, GREEN, VERMILION), strict=True))


def gradients(row: Row) -> bytes:
    """Norm of each weighted term's gradient: mean over the seeds, and their range as a band."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for marker, (term, words) in zip(MARKERS, TERMS.items(), strict=False):
            points = by_epoch(row, term)
            # A norm of zero has no place on a logarithmic axis.
            epochs = [epoch for epoch in points if min(points[epoch]) > 0]
            if not epochs:
                continue
            means, low, high = (
                [f(points[epoch]) for epoch in epochs] for f in (np.mean, np.min, np.max)
            )
            look: dict[str, Any] = {"color": _COLOURS[term], "label": mathtext(words)}
            axes.plot(epochs, means, marker=marker, markersize=3, **look)
            axes.fill_between(epochs, low, high, color=_COLOURS[term], alpha=0.13, linewidth=0)
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("L2 norm of the weighted gradient")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if axes.lines:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)

    return svg(paint)
