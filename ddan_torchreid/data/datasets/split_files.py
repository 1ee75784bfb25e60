"""Split files of torchreid that hold absolute paths, and so fail once the data root has moved.

VIPeR, GRID, CUHK01 and CUHK03 store where each image was when the splits were drawn. Here such a
path is replaced by that of the same image under the present root; nothing else of a file changes,
so that the splits stay those that earlier results were measured on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from ...system.files import replacing

# Files of a dataset, and the folders in it that hold the images.
SPLIT_FILES = {
    "viper": (("splits.json",), ("VIPeR",)),
    "grid": (("splits.json",), ("underground_reid",)),
    "cuhk01": (("splits.json",), ("campus",)),
    "cuhk03": (
        tuple(
            f"splits_{protocol}_{boxes}.json"
            for protocol in ("classic", "new")
            for boxes in ("detected", "labeled")
        ),
        ("images_detected", "images_labeled"),
    ),
}
_LISTS = ("train", "query", "gallery")


def stale_paths(name: str, folder: Path) -> dict[Path, dict[str, Path]]:
    """The split files of a dataset with the paths in them that lead elsewhere.

    Args:
        name: name of the dataset; most have no such files.
        folder: the dataset's folder under the present data root.

    Returns:
        for each stale file, each stored path that is not the present image, and the present one.

    Raises:
        ValueError: a file is not one of torchreid's split files.
    """
    files, images = SPLIT_FILES.get(name, ((), ()))
    found = {}
    for file in (folder / each for each in files):
        if file.is_file():
            stored = {item[0] for split in _read(file) for key in _LISTS for item in split[key]}
            moves = {path: _present(path, folder, images) for path in sorted(stored)}
            stale = {path: new for path, new in moves.items() if not _same(path, new)}
            if stale:
                found[file] = stale
    return found


def rewrite(file: Path, moves: dict[str, Path]) -> None:
    """Replaces the paths in a split file, whole or not at all.

    Args:
        file: the split file.
        moves: what :func:`stale_paths` found for it.

    Raises:
        FileNotFoundError: an image is not where the new path leads; the file is left as it is.
    """
    absent = [path for path in moves.values() if not path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"{file} is left as it is: {len(absent)} of its images are not under the present root, "
            f"such as {absent[0]}; put them there first"
        )
    splits = _read(file)
    for split in splits:
        for key in _LISTS:
            split[key] = [[str(moves.get(path, path)), *labels] for path, *labels in split[key]]
    with replacing(file) as temporary:
        shutil.copymode(file, temporary)
        text = json.dumps(splits, indent=4, separators=(",", ": "))  # as torchreid writes it
        temporary.write_text(text, encoding="utf-8")


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        splits = json.loads(file.read_bytes())
        rows = [row for split in splits for key in _LISTS for row in split[key]]
        if not rows or not all(isinstance(path, str) for path, _, _ in rows):
            raise ValueError("no image paths")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{file} is not a split file of torchreid ({error}); restore it, or delete it to have "
            "torchreid draw new splits"
        ) from error
    return splits


def _present(stored: str, folder: Path, images: tuple[str, ...]) -> Path:
    words = re.split(r"[\\/]+", stored)  # a file may come from Windows
    starts = [index for index, word in enumerate(words) if word in images]
    return folder.joinpath(*words[starts[-1] :]) if starts else folder / words[-1]


def _same(stored: str, present: Path) -> bool:
    if stored == str(present):
        return True
    return os.path.exists(stored) and present.exists() and os.path.samefile(stored, present)
