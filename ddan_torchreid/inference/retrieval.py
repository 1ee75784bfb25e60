"""Ranked lists of gallery images for query images, on the console and in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..data.loose_images import printable
from ..system.files import replacing
from .features import FeatureTable


@dataclass(frozen=True)
class Hit:
    """A gallery image in a ranked list; rank 1 is the most similar one."""

    rank: int
    similarity: float
    path: str


@dataclass(frozen=True)
class RankedList:
    """A query image and its gallery images, the most similar first."""

    query: str
    hits: list[Hit]


def rank(query: FeatureTable, gallery: FeatureTable, top: int) -> list[RankedList]:
    """The gallery images of highest cosine similarity for each query image.

    Gallery images of the same similarity keep the order of the gallery.

    Args:
        query: L2-normalised features.
        gallery: features of the same weights and image size, L2-normalised or not.
        top: images per query, 1 or more; all of a smaller gallery.
    """
    features = gallery.features
    if not gallery.normalized:
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        features = features / np.maximum(lengths, 1e-12)
    similarities = query.features @ features.T
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(similarities, order, axis=1)
    return [
        RankedList(
            path,
            [
                Hit(place, float(value), gallery.paths[column])
                for place, (value, column) in enumerate(zip(row, columns, strict=True), start=1)
            ],
        )
        for path, row, columns in zip(query.paths, values, order, strict=True)
    ]


def print_ranked_lists(lists: Sequence[RankedList]) -> None:
    """Prints rank, cosine similarity and path under each query."""
    for each in lists:
        print(printable(each.query))
        for hit in each.hits:
            print(f"  {hit.rank:>3}  {hit.similarity:7.4f}  {printable(hit.path)}")


def write_ranked_lists(lists: Sequence[RankedList], folder: Path) -> list[Path]:
    """Writes ``ranking.csv`` (a row for each query and rank) and ``ranking.json``.

    Returns:
        The two files.
    """
    table, document = folder / "ranking.csv", folder / "ranking.json"
    # File names need not be UTF-8; such bytes are written as they are.
    with (
        replacing(table) as unfinished,
        unfinished.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("query", "rank", "similarity", "path"))
        writer.writerows(
            (each.query, hit.rank, f"{hit.similarity:.6f}", hit.path)
            for each in lists
            for hit in each.hits
        )
    with replacing(document) as unfinished:
        unfinished.write_text(json.dumps([asdict(each) for each in lists], indent=2) + "\n")
    return [table, document]
