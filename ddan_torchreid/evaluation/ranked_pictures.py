"""Pictures of ranked lists (``test.visrank``): one for each query, whatever the files are called.

torchreid names a picture by the query's base name alone, so that queries of the same name in
different folders overwrite each other, and hands names to OpenCV, which ends the process at one
that is no valid text.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.loose_images import read_image

FRAME, GAP, QUERY_GAP = 5, 10, 90
RIGHT, WRONG, UNKNOWN = "#00ff00", "#ff0000", "#e4e4e4"
LONGEST_NAME = 200  # bytes; file systems take 255, of which a part is for what is added
WIDEST = 65_500  # pixels of a JPEG file


def draw_ranked_lists(
    distmat: np.ndarray,
    dataset: tuple[Sequence[Any], Sequence[Any]],
    data_type: str = "image",
    width: int = 128,
    height: int = 256,
    save_dir: str = "",
    topk: int = 10,
) -> None:
    """Writes what torchreid's ``visualize_ranked_results`` does, with its arguments.

    A picture shows the query and to its right the nearest gallery images, right ones in a green
    frame and wrong ones in a red one; images of the query's person and camera are left out. Its
    name is that of the query's file. Where several files have it, the folder's name is put before
    it, and a number after it if need be.

    Args:
        distmat: (Q, G) distances.
        dataset: query and gallery items: path, person, camera and others.
        data_type: ``'image'``.
        width, height: of an image in the picture, in pixels.
        save_dir: the folder, which is made.
        topk: gallery images of a query.
    """
    queries, gallery = dataset
    folder = Path(save_dir)
    folder.mkdir(parents=True, exist_ok=True)
    step, left = width + GAP, width + GAP + QUERY_GAP
    topk = min(topk, (WIDEST - left) // step)
    persons, cameras = (np.array([item[place] for item in gallery]) for place in (1, 2))
    names = _names([item[0] for item in queries])
    for (path, person, camera, *_), distances, name in zip(queries, distmat, names, strict=True):
        others = np.flatnonzero((persons != person) | (cameras != camera))
        nearest = others[np.argsort(distances[others], kind="stable")[:topk]]
        picture = Image.new("RGB", (left + topk * step - GAP, height), "white")
        picture.paste(_framed(path, "black", width, height), (0, 0))
        for rank, number in enumerate(nearest):
            color = RIGHT if persons[number] == person else WRONG
            hit = _framed(gallery[number][0], color, width, height)
            picture.paste(hit, (left + rank * step, 0))
        with (folder / f"{name}.jpg").open("wb") as file:
            picture.save(file, "JPEG")
    print(f'Pictures of the ranked lists of {len(queries)} queries are in "{save_dir}"')


def _framed(path: str, color: str, width: int, height: int) -> Image.Image:
    framed = Image.new("RGB", (width, height), color)
    inside = (max(1, width - 2 * FRAME), max(1, height - 2 * FRAME))
    try:
        image = read_image(path).resize(inside)
    except ValueError:  # gone since its feature was computed
        image = Image.new("RGB", inside, UNKNOWN)
    framed.paste(image, (FRAME, FRAME))
    return framed


def _names(paths: Iterable[str]) -> list[str]:
    """A name for each path, different from all others even where the case does not count."""
    places = [Path(path) for path in paths]
    same = Counter(place.stem.casefold() for place in places)
    names: list[str] = []
    taken: Counter[str] = Counter()
    for place in places:
        unique = same[place.stem.casefold()] == 1
        name = place.stem if unique else f"{place.parent.name}_{place.stem}"
        name = os.fsdecode(os.fsencode(name)[:LONGEST_NAME])
        while taken[name.casefold()]:
            taken[name.casefold()] += 1
            name += f"-{taken[name.casefold()]}"
        taken[name.casefold()] += 1
        names.append(name)
    return names
