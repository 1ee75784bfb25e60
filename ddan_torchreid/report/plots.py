"""Plots of scores and of training: differences, scores by target, sweeps, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..experiments import paper
from ..experiments.ablation import short
from .comparison import Comparison, title
from .results import Experiment, Row
from .style import BLUE, INK, QUIET, VERMILION, mathtext, row_styles, svg

#: What the training step returns -> title and unit of its panel.
CURVES = {
    "loss_id": ("Identity loss L_IDE", "nats"),
    "acc": ("Identity accuracy", "% of the batch"),
    "loss_triplet": ("Triplet loss L_Triplet", "distance"),
    "loss_confusion": ("Domain confusion L_DA, mapping", "nats"),
    "loss_domain": ("Domain loss L_DA, discriminator", "nats"),
    "balanced_acc_domain": ("Balanced accuracy of the discriminator", "%; guessing: 100 / classes"),
    "acc_domain": ("Accuracy of the discriminator", "% of the batch"),
    "loss_similarity": ("Similarity enhancement L_SE", "nats, mean over entries"),
    "pool_largest_channels": ("Distinct largest channels in the ID pool", "channels"),
}
PARAMETERS = {"top_k": "k, similar identities", "temperature": "temperature tau"}


def differences(found: Sequence[Comparison], metric: str) -> bytes:
    """Each comparison's mean difference with its interval, and its targets as small dots."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=QUIET, linewidth=1)
        for place, each in enumerate(found):
            targets = each.cells.mean(0)
            axes.plot(
                targets, np.full(len(targets), place + 0.22), "o", color=QUIET, ms=3.5, alpha=0.7
            )
            interval = each.interval
            apart = interval.low > 0 or interval.high < 0
            colour = (BLUE if interval.mean > 0 else VERMILION) if apart else INK
            if not np.isnan(interval.low):
                axes.plot([interval.low, interval.high], [place, place], color=colour, lw=2.4)
            axes.plot(
                interval.mean,
                place,
                "D",
                color=colour,
                ms=6,
                markerfacecolor=colour if apart else "white",
            )
        labels = [_broken(mathtext(title(each), 70)) for each in found]
        axes.set_yticks(range(len(found)), labels)
        axes.set_ylim(len(found) - 0.5, -0.6)
        axes.set_xlabel(f"difference in {metric} (points)")
        axes.grid(axis="y", visible=False)

    return svg(paint, height=1 + 0.42 * len(found))


def by_target(experiment: Experiment, metric: str) -> bytes:
    """A metric of each row on each target: mean over the seeds, with their standard deviation."""
    targets = experiment.targets
    styles = row_styles(list(experiment.rows))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        rows = list(experiment.rows.values())
        for place, row in enumerate(rows):
            shift = 0.7 * ((place + 0.5) / len(rows) - 0.5)
            points = [
                (x + shift, values.mean(), values.std(ddof=1) if len(values) > 1 else 0)
                for x, target in enumerate(targets)
                if len(values := row.per_seed(target, metric))
            ]
            if not points:
                continue
            style = styles[row.key]
            places, means, spreads = zip(*points, strict=True)
            axes.errorbar(
                places, means, spreads, fmt=style["marker"], color=style["color"], ms=4.5,
                elinewidth=1.2,
                markerfacecolor="white" if style["hollow"] else style["color"],
                label=mathtext(row.label),
            )  # fmt: skip
        axes.set_xticks(range(len(targets)), [mathtext(short(target), 14) for target in targets])
        axes.set_xlim(-0.5, len(targets) - 0.5)
        for x in range(1, len(targets)):
            axes.axvline(x - 0.5, color="#e6e6e6", linewidth=0.7)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(f"{metric} (%)")
        _legend(figure, axes, _columns([row.label for row in rows]))

    return svg(paint, height=_height(experiment))


def sweep(rows: Sequence[Row], metric: str) -> bytes:
    """A metric's mean over the targets along a parameter; each target is a thin line."""
    name = rows[0].records[0]["parameter"]["name"]
    values = [row.records[0]["parameter"]["value"] for row in rows]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(rows))
        targets = list(dict.fromkeys(target for row in rows for target in row.targets()))
        for number, target in enumerate(targets):
            scores = [row.per_seed(target, metric) for row in rows]
            line = [each.mean() if len(each) else np.nan for each in scores]
            axes.plot(places, line, color="#bbbbbb", lw=0.9, label="" if number else "each target")
        means = [row.mean_per_seed(metric) for row in rows]
        axes.errorbar(
            places,
            [each.mean() if len(each) else np.nan for each in means],
            [each.std(ddof=1) if len(each) > 1 else 0 for each in means],
            color=VERMILION, marker="o", ms=5, capsize=3, label="mean of the targets",
        )  # fmt: skip
        if paper.BEST.get(name) in values:
            best = values.index(paper.BEST[name])
            axes.axvline(best, color=BLUE, linestyle=(0, (4, 2)), lw=1.2, label="the paper's value")
        axes.set_xticks(places, [f"{value:g}" for value in values])
        axes.set_xlabel(mathtext(PARAMETERS.get(name, name)))
        axes.set_ylabel(f"{metric} (%)")
        _legend(figure, axes, 3)

    return svg(paint)


def curve(experiment: Experiment, key: str) -> bytes:
    """One quantity over the epochs: mean over the seeds, and their range as a band."""
    styles = row_styles(list(experiment.rows))
    words, unit = CURVES[key]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for row in experiment.rows.values():
            points = by_epoch(row, key)
            if not points:
                continue
            style = styles[row.key]
            epochs = list(points)
            axes.plot(
                epochs, [np.mean(points[epoch]) for epoch in epochs],
                color=style["color"], linestyle=style["linestyle"], label=mathtext(row.label),
                marker="." if len(epochs) < 3 else "",
            )  # fmt: skip
            low, high = ([f(points[epoch]) for epoch in epochs] for f in (np.min, np.max))
            axes.fill_between(epochs, low, high, color=style["color"], alpha=0.13, linewidth=0)
        if key == "acc_domain" and (share := _larger_class(experiment)):
            label = "always the larger class"
            axes.axhline(share, color=QUIET, linestyle=(0, (1, 1.5)), lw=1.3, label=label)
        axes.set_title(mathtext(words))
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _legend(figure, axes, _columns([row.label for row in experiment.rows.values()]))

    return svg(paint, height=_height(experiment))


def has_curve(experiment: Experiment, key: str) -> bool:
    """Whether any run has values of a quantity."""
    return any(by_epoch(row, key) for row in experiment.rows.values())


def by_epoch(row: Row, key: str) -> Mapping[int, list[float]]:
    """A quantity's values of all seeds that have it, by epoch."""
    points: dict[int, list[float]] = {}
    for record in row.records:
        curves = record.get("curves", {})
        for epoch, value in zip(curves.get("epoch", []), curves.get(key, []), strict=False):
            if value is not None:
                points.setdefault(epoch, []).append(value)
    return dict(sorted(points.items()))


def _larger_class(experiment: Experiment) -> float | None:
    """What a discriminator of the central domain gets without looking, in percent."""
    shares = []
    for record in experiment.records:
        settings = record.get("config", {}).get("ddan", {})
        values = record.get("curves", {}).get(f"share_{settings.get('central_domain')}", [])
        known = [value for value in values if value is not None]
        if known and settings.get("alignment") == "central" and "acc_domain" in record["curves"]:
            shares.append(np.mean(known))
    return 100 * max(np.mean(shares), 1 - np.mean(shares)) if shares else None


def _height(experiment: Experiment) -> float:
    labels = [row.label for row in experiment.rows.values()]
    return 2.5 + 0.19 * -(-len(labels) // _columns(labels))


def _columns(labels: Sequence[str]) -> int:
    longest = max(len(label.replace("L_", "")) for label in labels)
    if longest < 16 and len(labels) != 4:
        return 3
    return 2 if longest < 32 else 1


def _legend(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _broken(label: str) -> str:
    """A long label on two lines, broken at the space nearest to its middle."""
    if len(label.replace("mathrm", "")) < 26:
        return label
    spaces = [place for place, char in enumerate(label) if char == " "]
    middle = min(spaces, key=lambda place: abs(place - len(label) / 2), default=0)
    return f"{label[:middle]}\n{label[middle + 1 :]}" if spaces else label
