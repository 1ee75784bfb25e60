"""Plots of features: distances between domains, and Figure 2's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..experiments.ablation import short
from .comparison import decimals
from .style import domain_style, mathtext, svg


def heat_map(
    names: Sequence[str], matrix: ArrayLike, itself: ArrayLike | None, highest: float
) -> bytes:
    """Distances between domains (S, S) with their sums in a column of their own.

    Args:
        names: S domains.
        matrix: distances of Eq. 3, symmetric.
        itself: (S,) distance between two halves of a domain, shown on the diagonal.
        highest: end of the colour scale.
    """
    values = np.asarray(matrix, dtype=np.float64)
    size = len(names)
    sums = values.sum(1)
    digits = decimals(highest)
    shown = values.copy()
    np.fill_diagonal(shown, np.nan if itself is None else np.asarray(itself))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        # The sums are text beside the map: on its scale they would drown the distances.
        image = axes.imshow(shown, cmap="cividis", vmin=0, vmax=highest)
        middle = highest / 2
        for (i, j), value in np.ndenumerate(shown):
            if np.isfinite(value):
                colour = "black" if value > middle else "white"
                slant = "italic" if i == j else "normal"
                axes.text(
                    j, i, f"{value:.{digits}f}", ha="center", va="center", color=colour, style=slant
                )
        least = int(sums.argmin()) if size else 0
        for i, value in enumerate(sums):
            weight = "bold" if i == least else "normal"
            axes.text(size - 0.3, i, f"{value:.{digits}f}", ha="left", va="center", weight=weight)
        axes.text(size - 0.3, -0.62, "sum", ha="left", va="bottom", color="#555555")
        labels = [mathtext(short(name), 16) for name in names]
        axes.set_xticks(range(size), labels, rotation=35, ha="right")
        axes.set_yticks(range(size), labels)
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.16)
        bar.set_label("distance (Eq. 3)")
        bar.outline.set_visible(False)

    return svg(paint, height=3.4)


def embedding(xy: NDArray, domain: NDArray, names: Sequence[str], title: str) -> bytes:
    """Points (n, 2) with the colour and the marker of their domain."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, name in enumerate(names):
            chosen = domain == number
            colour, marker = domain_style(number)
            # Thousands of points as shapes would make the page heavy; the text stays text.
            axes.scatter(
                xy[chosen, 0], xy[chosen, 1], s=11, c=colour, marker=marker, alpha=0.65,
                linewidths=0, label=mathtext(short(name), 16), rasterized=True,
            )  # fmt: skip
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.set_adjustable("datalim")
        axes.set_title(mathtext(title))
        axes.set_xlabel("t-SNE axis 1 (no unit)")
        axes.set_ylabel("t-SNE axis 2 (no unit)")
        columns = 5 if max(map(len, map(short, names))) < 9 else 3
        legend = figure.legend(
            loc="outside lower center", ncols=columns, markerscale=1.8, handletextpad=0.1,
            columnspacing=1,
        )  # fmt: skip
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)

    return svg(paint, height=4)


def read_embedding(path: Path) -> tuple[NDArray, NDArray, list[str]]:
    """Points (n, 2), domains (n,) and names of an ``.npz`` file; nothing in it is executed.

    Raises:
        ValueError: the file is not what Figure 2 writes.
    """
    try:
        # Opened here, as NumPy does not close what it finds to be no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            xy, domain, names = (file[key] for key in ("xy", "domain", "names"))
    except Exception as error:
        # A damaged archive raises whatever its decoder met first.
        raise ValueError(f"{path} is no embedding: {error}") from None
    n = len(domain) if domain.ndim == 1 else -1
    if xy.shape != (n, 2) or names.ndim != 1 or not len(names) or not np.isfinite(xy).all():
        raise ValueError(f"{path} must have xy (n, 2), domain (n,) and names (S,)")
    return xy, domain, [str(name) for name in names]
