"""Split files that torchreid draws at its first load of a dataset and believes ever after.

Two things can be wrong with one. It may have been drawn while images were missing; then it has to
be drawn again. And VIPeR, GRID, CUHK01 and CUHK03 store where each image was when the splits were
drawn; such a path stands for the same image under the present root. In memory it always does
(:func:`relocate`). In the file, nothing else changes when it is replaced, so that the splits stay
those that earlier results were measured on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from ...system.files import replacing
from .layouts import list_images
from .published import DATASETS

SPLIT_FILES = {
    "viper": ("splits.json",),
    "grid": ("splits.json",),
    "prid": ("splits_single_shot.json",),
    "ilids": ("splits.json",),
    "cuhk01": ("splits.json",),
    "cuhk03": tuple(
        f"splits_{protocol}_{boxes}.json"
        for protocol in ("classic", "new")
        for boxes in ("detected", "labeled")
    ),
}
#: Folders that torchreid unpacks the images into, where they come in one file.
UNPACKED = {"cuhk01": ("campus",), "cuhk03": ("images_detected", "images_labeled")}
# Where the file holds absolute paths: the folders below the dataset's that hold the images.
_FOLDERS = {
    "viper": ("VIPeR",),
    "grid": ("underground_reid",),
    **UNPACKED,
}
_LISTS = ("train", "query", "gallery")


class Coverage(NamedTuple):
    """Images, below the dataset's folder: not in the split file, and only there; sorted."""

    unlisted: list[str]
    absent: list[str]


def coverage(name: str, root: Path, file: Path) -> Coverage:
    """Compares a split file with the images that are there.

    Args:
        name: a key of ``SPLIT_FILES``.
        root: the data root.
        file: one of the dataset's split files, which exists.

    Raises:
        ValueError: the file is not one of torchreid's split files.
    """
    folder = root / DATASETS[name].folder
    listed, there = _listed(name, file), _there(name, root, file)
    unlisted = there - listed
    if name == "ilids":  # of the persons that are tested on, two images are taken
        persons = {_person(path) for path in listed}
        unlisted = {path for path in unlisted if _person(path) not in persons}
    if name == "prid":  # the file names the 200 persons of both cameras, and others are fixed
        unlisted = set()
    absent = {path for path in listed - there if not (folder / path).is_file()}
    return Coverage(sorted(unlisted), sorted(absent))


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
    found = {}
    for file in (folder / each for each in SPLIT_FILES.get(name, ()) if name in _FOLDERS):
        if file.is_file():
            stored = {item[0] for split in _read(file) for key in _LISTS for item in split[key]}
            moves = {path: folder / _below(name, path) for path in sorted(stored)}
            stale = {path: new for path, new in moves.items() if not _same(path, new)}
            if stale:
                found[file] = stale
    return found


def relocate(name: str, dataset: Any) -> None:
    """Lets the lists of a dataset of torchreid lead to the present data root, in place.

    Args:
        name: name of the dataset; those without stored paths stay as they are.
        dataset: the dataset, built for the present root.
    """
    if name in _FOLDERS:
        for items in (dataset.train, dataset.query, dataset.gallery):
            items[:] = [
                (os.path.join(dataset.dataset_dir, _below(name, path)), *labels)
                for path, *labels in items
            ]


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


def set_aside(file: Path) -> Path:
    """Renames a split file, so that torchreid draws new splits; returns the new name."""
    names = (file.with_name(f"{file.name}.old{number or ''}") for number in range(10**6))
    free = next(name for name in names if not name.exists())
    return file.rename(free)


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        splits = json.loads(file.read_bytes())
        rows = [row for split in splits for key in _LISTS for row in split[key]]
        if not rows or not all(isinstance(path, str) for path, _, _ in rows):
            raise ValueError("no image paths")
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(file, error) from error
    return splits


def _damaged(file: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{file} is not a split file of torchreid ({error}); restore it, or delete it to have "
        "torchreid draw new splits"
    )


def _listed(name: str, file: Path) -> set[str]:
    if name in _FOLDERS:
        stored = {item[0] for split in _read(file) for key in _LISTS for item in split[key]}
        return {_below(name, path) for path in stored}
    try:
        splits = json.loads(file.read_bytes())
        if name == "ilids":
            names = {each for split in splits for key in _LISTS for each in split[key]}
            listed = {f"i-LIDS_Pedestrian/Persons/{each}" for each in names}
        else:
            both = {int(pid) for split in splits for pid in (*split["train"], *split["test"])}
            sides = {"cam_a": both, "cam_b": both | set(range(201, 750)) if both else both}
            listed = {
                f"prid_2011/single_shot/{camera}/person_{pid:04d}.png"
                for camera, pids in sides.items()
                for pid in pids
            }
        if not listed:
            raise ValueError("no images")
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(file, error) from error
    return listed


def _there(name: str, root: Path, file: Path) -> set[str]:
    folder = root / DATASETS[name].folder
    if name == "cuhk03":
        boxes = f"images_{file.stem.rpartition('_')[2]}"
        return {
            f"{boxes}/{image}"
            for image in os.listdir(folder / boxes)
            if re.fullmatch(r"\d_\d+_\d_\d+\.png", image, re.ASCII)
        }
    return {
        Path(shot.path).relative_to(folder).as_posix() for shot in list_images(name, root).shots
    }


def _person(path: str) -> str:
    return path.rpartition("/")[2][:4]


def _below(name: str, stored: str) -> str:
    """Where a stored path leads below the dataset's folder, with ``/``."""
    words = re.split(r"[\\/]+", stored)  # a file may come from Windows
    starts = [index for index, word in enumerate(words) if word in _FOLDERS[name]]
    return "/".join(words[starts[-1] :]) if starts else words[-1]


def _same(stored: str, present: Path) -> bool:
    if stored == str(present):
        return True
    return os.path.exists(stored) and present.exists() and os.path.samefile(stored, present)
