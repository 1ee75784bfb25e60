"""Plots of records as SVG files, the same bytes for the same records."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.manifold import TSNE

from ddan_torchreid.config import schema as configuration

from .. import features
from ..records import Record
from .statistics import cells, crossed_interval, paired, seed_interval
from .tables import Pair, Rows, short

# Okabe and Ito's colours, which every kind of colour vision distinguishes.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8A7F00", "#000000")
INK, QUIET = "#222222", "#777777"
MARKERS = "os^DvPX*"
EMBEDDED = 200
"""Images of each source in Figure 2."""

#: What the training step returns -> title and unit of its panel.
CURVES = {
    "loss_id": ("L_IDE", "nats"),
    "loss_triplet": ("L_Triplet", "distance"),
    "loss_confusion": ("L_DA-T", "nats"),
    "loss_domain": ("L_DA-D", "nats"),
    "loss_similarity": ("L_SE", "nats, mean over entries"),
    "balanced_acc_domain": ("Balanced accuracy of the discriminator", "%; guessing: 50"),
    "acc_domain": ("Accuracy of the discriminator", "% of the batch"),
    "pool_largest_channels": ("Distinct largest channels in the ID pool", "channels"),
}

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    # Text stays text, and the names inside a file do not change from one writing to the next.
    "svg.fonttype": "none",
    "svg.hashsalt": "ddan_torchreid",
}


@contextlib.contextmanager
def _drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches, in matplotlib's own style whatever the user's is, then a file."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), dpi=150)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def forest(path: Path, rows: Rows, pairs: Sequence[Pair], metric: str) -> None:
    """Each pair's mean difference with its intervals, and its targets as small dots.

    The thick line is the interval over the seeds, the thin one with end caps that over seeds and
    targets.
    """
    found = [(label, paired(rows[a], rows[b], metric)) for a, b, label in pairs]
    found = [(label, each) for label, each in found if len(each)]
    with _drawing(path, 5.5, 0.9 + 0.34 * len(found)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=QUIET, linewidth=1)
        for place, (_, each) in enumerate(found):
            targets = each.mean(0)
            axes.plot(targets, np.full(len(targets), place + 0.25), "o", color=QUIET, ms=3)
            own = seed_interval(each)
            apart = own.low > 0 or own.high < 0
            colour = COLOURS[1 if each.mean() > 0 else 3] if apart else INK
            # With end caps, for it mostly lies within the other.
            axes.plot([*crossed_interval(each)], [place] * 2, "|-", color=colour, lw=0.9, ms=9)
            axes.plot([*own], [place] * 2, color=colour, lw=2.6)
            filled = colour if apart else "white"
            axes.plot(each.mean(), place, "D", color=colour, ms=5.5, markerfacecolor=filled)
        axes.set_yticks(range(len(found)), [_mathtext(label) for label, _ in found])
        axes.set_ylim(len(found) - 0.5, -0.6)
        axes.set_xlabel(f"difference in mean {metric} (points)")
        axes.grid(axis="y", visible=False)


def curves(path: Path, rows: Rows, keys: Sequence[str]) -> None:
    """Quantities over the epochs, a panel for each: mean over the seeds, their range as a band."""
    with _drawing(path, 3.6 * len(keys), 3.3) as figure:
        panels = figure.subplots(1, len(keys), squeeze=False)[0]
        for axes, key in zip(panels, keys, strict=True):
            for number, records in enumerate(rows.values()):
                points = _by_epoch(records, key)
                if not points:
                    continue
                epochs = list(points)
                style = {"color": COLOURS[number % 8], "marker": MARKERS[number % 8], "ms": 4}
                label = _mathtext(records[0]["label"])
                axes.plot(epochs, [np.mean(points[e]) for e in epochs], label=label, **style)
                low, high = ([edge(points[e]) for e in epochs] for edge in (min, max))
                axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, lw=0)
            title, unit = CURVES.get(key, (key, ""))
            axes.set(title=_mathtext(title), xlabel="epoch", ylabel=unit)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _legend(figure, panels)


def sweep(path: Path, rows: Rows, parameter: str, metric: str) -> None:
    """A metric along the values of a key of the configuration: each target, and their mean."""
    chosen = sorted(rows.values(), key=lambda records: _value(records[0], parameter))
    places = range(len(chosen))
    targets = chosen[0][0]["targets"]
    with _drawing(path, 4.5, 3.1) as figure:
        axes = figure.subplots()
        found = [cells(records, metric) for records in chosen]
        for number, target in enumerate(targets):
            line = [each[:, number].mean() if each.size else np.nan for each in found]
            axes.plot(places, line, color=COLOURS[number % 8], lw=0.9, label=short(target))
        means = [each.mean(1) if each.size else np.array([np.nan]) for each in found]
        spreads = [each.std(ddof=1) if len(each) > 1 else 0 for each in means]
        axes.errorbar(
            places, [each.mean() for each in means], spreads, color=INK, marker="o", capsize=3,
            label="mean of the targets",
        )  # fmt: skip
        axes.set_xticks(places, [f"{_value(records[0], parameter):g}" for records in chosen])
        axes.set(xlabel=parameter, ylabel=f"{metric} (%)")
        _legend(figure, [axes])


def embedding(path: Path, rows: Rows, folder: Path) -> bool:
    """Figure 2: t-SNE of the same images of each source under every row's first model.

    Returns:
        False where the features are gone: they lie beside the weights, not in the records.
    """
    samples = {}
    for records in rows.values():
        if (folder / records[0]["run"] / features.FILE).exists():
            samples[records[0]["label"]] = features.read(folder / records[0]["run"])
    if not samples:
        return False
    with _drawing(path, 3 * len(samples), 3.3) as figure:
        panels = figure.subplots(1, len(samples), squeeze=False)[0]
        for axes, (label, sample) in zip(panels, samples.items(), strict=True):
            # In a random order, the same for every model: the images lie sorted by identity.
            order = np.random.default_rng(0).permutation(len(sample["domain"]))
            names = sample["names"]
            firsts = [order[sample["domain"][order] == n][:EMBEDDED] for n in range(len(names))]
            chosen = np.concatenate(firsts)
            tsne = TSNE(init="pca", perplexity=min(30.0, (len(chosen) - 1) / 3), random_state=0)
            xy = np.split(
                tsne.fit_transform(sample["features"][chosen]), np.cumsum([*map(len, firsts)])[:-1]
            )
            for number, (name, points) in enumerate(zip(names, xy, strict=True)):
                style = {"c": COLOURS[number % 8], "marker": MARKERS[number % 8]}
                axes.scatter(*points.T, s=9, alpha=0.6, lw=0, label=short(name), **style)
            axes.set(xticks=[], yticks=[], title=_mathtext(label))
        _legend(figure, panels[:1])
    return True


def _by_epoch(records: Sequence[Record], key: str) -> dict[int, list[float]]:
    """A quantity's values of all seeds that have it, by epoch."""
    points: dict[int, list[float]] = {}
    for record in records:
        for epoch, value in zip(
            record["curves"]["epoch"], record["curves"].get(key, ()), strict=False
        ):
            if value is not None:
                points.setdefault(epoch, []).append(value)
    return dict(sorted(points.items()))


def _value(record: Record, key: str) -> float:
    # Records hold what is not the default.
    default = configuration.value_of(configuration.get_default_config(), key)
    return record["config"].get(key, default)


def _legend(figure: Figure, panels: Sequence[Any]) -> None:
    lines = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if lines:
        figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=3)


def _mathtext(text: str) -> str:
    """``L_X`` as a loss term, all else literally."""
    return re.sub(r"\bL_([A-Za-z-]+)", r"$L_{\\mathrm{\1}}$", text.replace("$", r"\$"))
