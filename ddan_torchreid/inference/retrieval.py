"""Ranked lists of gallery images for query images, on the console and in files."""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.loose_images import printable
from ..system.files import replacing
from .features import FeatureTable

# Queries and gallery images that are compared at a time; what that takes is some 60 MB.
QUERY_BLOCK, GALLERY_BLOCK = 512, 4096

# Below this cosine similarity, features of the same weights and size are not of the same image.
SAME_IMAGE = 0.999


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


def rank(
    query: FeatureTable, gallery: FeatureTable, top: int, folder: str = ""
) -> list[RankedList]:
    """The gallery images of highest cosine similarity for each query image.

    Gallery images of the same similarity keep the order of the gallery. A query's own file is left
    out, whatever path or link the gallery has it by; a copy of it is not. Beside the result, memory
    is for one block of similarities only, however many images there are.

    Args:
        query: (Q, D) L2-normalised features.
        gallery: (G, D) features of the same weights and image size, L2-normalised or not.
        top: images per query, 1 or more; all of a smaller gallery.
        folder: where relative paths of the gallery may start too, besides the working directory.
    """
    own = _own_files(query.paths, gallery.paths, folder)
    lists = []
    for first in range(0, len(query.paths), QUERY_BLOCK):
        block = slice(first, first + QUERY_BLOCK)
        found = _most_similar(query.features[block], gallery, top, own - (first, 0))
        for path, values, columns in zip(query.paths[block], *found, strict=True):
            hits = [
                Hit(place, float(value), gallery.paths[column])
                for place, (value, column) in enumerate(zip(values, columns, strict=True), start=1)
                if value > -np.inf
            ]
            lists.append(RankedList(path, hits))
    return lists


def _most_similar(
    features: NDArray, gallery: FeatureTable, top: int, own: NDArray
) -> tuple[NDArray, NDArray]:
    """Similarities and rows of the gallery, each (B, k), the most similar first.

    Args:
        features: (B, D) of the queries.
        gallery: G images.
        top: k, if G is not smaller.
        own: (P, 2) rows of queries and of the gallery that are left out: their similarity is -inf.
    """
    values: NDArray = np.empty((len(features), 0), np.float32)
    columns: NDArray = np.empty((len(features), 0), np.int64)
    for first in range(0, len(gallery.paths), GALLERY_BLOCK):
        others = gallery.features[first : first + GALLERY_BLOCK]
        if not gallery.normalized:
            lengths = np.linalg.norm(others, axis=1, keepdims=True)
            others = others / np.maximum(lengths, 1e-12)
        similarities = features @ others.T
        here = own - (0, first)
        here = here[((here >= 0) & (here < similarities.shape)).all(1)]
        # A path may have meant another file where the features were extracted.
        here = here[similarities[tuple(here.T)] > SAME_IMAGE]
        similarities[tuple(here.T)] = -np.inf
        numbers = np.arange(first, first + len(others))
        values = np.hstack([values, similarities])
        columns = np.hstack([columns, np.broadcast_to(numbers, similarities.shape)])
        kept = _largest(values, top)
        values, columns = (np.take_along_axis(each, kept, axis=1) for each in (values, columns))
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(columns, order, axis=1)


def _largest(values: NDArray, count: int) -> NDArray:
    """(B, k) positions, ascending, of the largest of (B, N) values; of equal ones the first."""
    count = min(count, values.shape[1])
    least = np.partition(values, -count, axis=1)[:, -count, None]
    larger, equal = values > least, values == least
    free = count - larger.sum(1, keepdims=True)
    return np.nonzero(larger | (equal & (equal.cumsum(1) <= free)))[1].reshape(-1, count)


def _own_files(queries: Sequence[str], gallery: Sequence[str], folder: str) -> NDArray[np.int64]:
    """(P, 2) rows of queries and gallery that are one file on the disk."""
    rows = defaultdict(list)
    for row, path in enumerate(queries):
        rows[_file(path)].append(row)
    pairs = {
        (row, column)
        for column, path in enumerate(gallery)
        for place in {path, os.path.join(folder, path)}
        for row in rows.get(_file(place), ())
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _file(path: str) -> Any:
    """What the paths of one file have in common."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.abspath(path)
    # Some file systems of Windows have no such numbers.
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def print_ranked_lists(lists: Sequence[RankedList]) -> None:
    """Prints rank, cosine similarity and path under each query."""
    for each in lists:
        print(printable(each.query))
        if not each.hits:
            print("  the gallery has no other image")
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
