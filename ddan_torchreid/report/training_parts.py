"""Sections' parts on what training and ranking looked like."""

from __future__ import annotations

from ..experiments.ablation import short
from ..experiments.records import Record
from ..experiments.rows import pairs
from . import plots
from .blocks import Block, Heading, Paragraph, Picture, Pictures, Table
from .comparison import DASH
from .pictures import Folder, strip, whole
from .results import Experiment


def curves(experiment: Experiment) -> list[Block]:
    """Losses, accuracy, and the discriminator's accuracy over the epochs."""
    pictures = [
        Picture(
            plots.curve(experiment, key),
            "svg",
            f"{experiment.name}-{key.replace('_', '-')}",
            f"{words} over the epochs.",
        )
        for key, (words, _) in plots.CURVES.items()
        if plots.has_curve(experiment, key)
    ]
    if not pictures:
        return []
    note = Paragraph(
        "Means over each epoch on training batches. Lines: mean over the seeds; bands: their "
        "range. A term has values only where it was on.",
        quiet=True,
    )
    return [Heading("Losses and accuracies in training"), Pictures(pictures), note]


def ranked_results(experiment: Experiment, folder: Folder, images: Folder | None) -> list[Block]:
    """What the nearest gallery images of a few queries are, right and wrong ones marked.

    Args:
        experiment: whose first seed is shown.
        folder: of the results, for pictures that the experiment drew.
        images: data root, for strips drawn here; the rows that are compared stand together.
    """
    shown = {key: record for key, row in experiment.rows.items() for record in row.records[:1]}
    strips = _strips(experiment, shown, images) if images else []
    if strips:
        words = "Left: the query. Then its nearest gallery images, nearest first."
        marks = "Tick and blue frame: the same person. Cross and orange frame: another one."
        return [Heading("Ranked results"), Paragraph(f"{words} {marks}"), *strips]
    blocks: list[Block] = []
    for key, record in shown.items():
        image = folder.read(record["ranking_picture"]) if "ranking_picture" in record else None
        if image is None:
            continue
        words = f"Ranked results of {record['label']}, seed {record['seed']}"
        picture = Picture(
            whole(image),
            "jpg",
            f"{experiment.name}-ranking-{list(shown).index(key)}",
            f"{words}.",
            f"{words}: query, then its nearest gallery images; green frames are right, red wrong.",
        )
        blocks.append(Pictures([picture], wide=True))
    marks_table = _marks(shown)
    if not blocks:
        return []
    return [Heading("Ranked results"), *blocks, *marks_table]


def _strips(experiment: Experiment, shown: dict[str, Record], images: Folder) -> list[Block]:
    compared = {key for pair in pairs(experiment.name, list(shown))[-1:] for key in pair}
    if experiment.name in ("table1", "protocol"):
        compared = set(shown)
    if experiment.name not in ("table1", "table5", "protocol"):
        return []
    records = [record for key, record in shown.items() if key in compared]
    targets = dict.fromkeys(name for record in records for name in record.get("rankings", {}))
    blocks: list[Block] = []
    for target in targets:
        pictures: list[Picture] = []
        most = max(len(record.get("rankings", {}).get(target, [])) for record in records)
        for number in range(most):
            for record in records:
                ranked = record.get("rankings", {}).get(target, [])
                if number >= len(ranked):
                    continue
                query, gallery = ranked[number]["query"], ranked[number]["gallery"]
                above = _drawn_below(record, images)
                files = [f"{above}{file}" for file in (query, *(file for file, _ in gallery))]
                signs = ["query", *("right" if right else "wrong" for _, right in gallery)]
                caption = f"{record['label']}: query {number + 1}"
                name = f"{experiment.name}-ranked-{len(blocks)}-{len(pictures)}"
                data = strip([images.read(file) for file in files], signs)
                alt = f"{caption}, {', '.join(signs[1:])}"
                pictures.append(Picture(data, "jpg", name, alt, caption))
        if pictures:
            blocks += [Heading(f"{short(target)}"), Pictures(pictures)]
    return blocks


def _drawn_below(record: Record, images: Folder) -> str:
    """The folder of a scale's drawings, where the data root is the one given to the experiment."""
    folder = f"rendered-{record.get('options', {}).get('scale')}"
    return f"{folder}/" if images.has(folder) else ""


def _marks(shown: dict[str, Record]) -> list[Block]:
    """The marks as text, for whom red and green look the same."""
    marked = {
        (record["label"], short(target)): [
            "".join(
                "\N{CHECK MARK}" if right else "\N{MULTIPLICATION X}"
                for _, right in ranked["gallery"]
            )
            for ranked in queries
        ]
        for record in shown.values()
        for target, queries in record.get("rankings", {}).items()
    }
    most = max(map(len, marked.values()), default=0)
    if not most:
        return []
    columns = ("row", "target", *(f"query {number}" for number in range(1, most + 1)))
    rows = [[*names, *marks, *[DASH] * (most - len(marks))] for names, marks in marked.items()]
    caption = "The same as text, nearest first. Tick: the same person; cross: another one."
    return [Table(columns, rows, caption, text_columns=2)]
