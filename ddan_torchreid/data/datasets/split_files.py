"""Split files that torchreid draws at its first load of a dataset and believes ever after.

One that was drawn while images were missing has to be drawn again. VIPeR, GRID, CUHK01 and CUHK03
also store where each image was; such a path stands for the same image under the present root: in
memory always (:func:`relocate`), and in the file after ``check-data --fix-splits`` (:func:`mend`),
which changes nothing else, so that the splits stay those of earlier results.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
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
_FOLDERS = {"viper": ("VIPeR",), "grid": ("underground_reid",), **UNPACKED}
_LISTS = ("train", "query", "gallery")


def written(name: str, folder: Path) -> list[Path]:
    """The split files that torchreid has written into a dataset's folder."""
    return [file for each in SPLIT_FILES.get(name, ()) if (file := folder / each).is_file()]


class Coverage(NamedTuple):
    """Images, below the dataset's folder: not in the split file, and only there; sorted."""

    unlisted: list[str]
    absent: list[str]


def coverage(name: str, root: Path, file: Path) -> Coverage:
    """Compares one of a dataset's split files, which exists, with the images under the data root.

    Raises:
        ValueError: the file is not one of torchreid's split files.
    """
    folder = root / DATASETS[name].folder
    _, stored = _read(name, file)
    listed = {_below(name, path) for path in stored}
    if name == "cuhk03":
        boxes = f"images_{file.stem.rpartition('_')[2]}"
        there = {
            f"{boxes}/{image}"
            for image in os.listdir(folder / boxes)
            if re.fullmatch(r"\d_\d+_\d_\d+\.png", image, re.ASCII)
        }
    else:
        shots = list_images(name, root).shots
        there = {Path(shot.path).relative_to(folder).as_posix() for shot in shots}
    unlisted = there - listed
    if name == "ilids":  # of the persons that are tested on, two images are taken
        persons = {Path(path).name[:4] for path in listed}
        unlisted = {path for path in unlisted if Path(path).name[:4] not in persons}
    if name == "prid":  # the file names the 200 persons of both cameras, and others are fixed
        unlisted = set()
    absent = {path for path in listed - there if not (folder / path).is_file()}
    return Coverage(sorted(unlisted), sorted(absent))


def stale_paths(name: str, folder: Path) -> dict[Path, dict[str, Path]]:
    """For each split file below a dataset's folder, the paths in it that lead elsewhere.

    Returns:
        for each stale file, each stored path that is not the present image, and the present one.

    Raises:
        ValueError: a file is not one of torchreid's split files.
    """
    found = {}
    for file in written(name, folder) if name in _FOLDERS else ():
        _, stored = _read(name, file)
        moves = {path: folder / _below(name, path) for path in sorted(stored)}
        if stale := {path: new for path, new in moves.items() if not _same(path, new)}:
            found[file] = stale
    return found


def relocate(name: str, dataset: Any) -> None:
    """Lets the lists of a dataset of torchreid lead to the data root it was built for, in place."""
    if name in _FOLDERS:
        for items in (dataset.train, dataset.query, dataset.gallery):
            items[:] = [
                (os.path.join(dataset.dataset_dir, _below(name, path)), *labels)
                for path, *labels in items
            ]


def mend(name: str, root: Path) -> Iterator[str]:
    """Puts split files aside that torchreid has to draw again, and replaces paths in the others.

    Yields:
        a line for each file: what was done, or why it is left as it is.
    """
    folder = root / DATASETS[name].folder
    try:
        yield from _mended(name, root, folder)
    except OSError as error:
        reason = error.strerror or error
        yield f"{folder} is left as it is: {reason}; repeat this when it can be written to"


def _mended(name: str, root: Path, folder: Path) -> Iterator[str]:
    for file in written(name, folder):
        try:
            whole = not coverage(name, root, file).unlisted
        except ValueError:
            whole = False
        except OSError:  # the images are not there, which check-data reports
            continue
        if not whole:
            names = (file.with_name(f"{file.name}.old{number or ''}") for number in range(10**6))
            aside = file.rename(next(each for each in names if not each.exists()))
            yield f"{file} is now {aside.name}; torchreid draws a new one"
    for file, moves in stale_paths(name, folder).items():
        if absent := [path for path in moves.values() if not path.is_file()]:
            yield (
                f"{file} is left as it is: {len(absent)} of its images are not under the present "
                f"root, such as {absent[0]}; put them there first"
            )
            continue
        _rewrite(name, file, moves)
        yield f"{file}: {len(moves)} paths now lead to this root"


def _rewrite(name: str, file: Path, moves: dict[str, Path]) -> None:
    splits, _ = _read(name, file)
    for split in splits:
        for key in _LISTS:
            split[key] = [[str(moves.get(path, path)), *labels] for path, *labels in split[key]]
    with replacing(file) as temporary:
        shutil.copymode(file, temporary)
        text = json.dumps(splits, indent=4, separators=(",", ": "))  # as torchreid writes it
        temporary.write_text(text, encoding="utf-8")


def _read(name: str, file: Path) -> tuple[list[dict[str, Any]], set[str]]:
    """The splits of a file, and the images in it: paths or names, as they are written there."""
    try:
        splits = json.loads(file.read_bytes())
        if name == "prid":
            both = {int(pid) for split in splits for pid in (*split["train"], *split["test"])}
            sides = {"cam_a": both, "cam_b": both | set(range(201, 750)) if both else both}
            images = {f"{a}/person_{pid:04d}.png" for a, pids in sides.items() for pid in pids}
        else:
            rows = [row for split in splits for key in _LISTS for row in split[key]]
            images = set(rows) if name == "ilids" else {path for path, _, _ in rows}
        if name == "viper":  # torchreid pairs the two folders by the order of their names
            for split in splits:
                for rows in (split["train"], [*split["query"], *split["gallery"]]):
                    named = {(pid, re.split(r"[\\/_]", path)[-2]) for path, pid, _ in rows}
                    if len(named) > len({pid for pid, _ in named}):
                        raise ValueError("images of different persons are paired")
        if not images or not all(isinstance(image, str) for image in images):
            raise ValueError("no images")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(
            f"{file} is not a split file of torchreid ({error}); restore it, or delete it to have "
            "torchreid draw new splits"
        ) from error
    return splits, images


def _below(name: str, stored: str) -> str:
    """Where an image of a split file is below the dataset's folder, with ``/``."""
    if name not in _FOLDERS:
        parts = {"prid": "prid_2011/single_shot", "ilids": "i-LIDS_Pedestrian/Persons"}
        return f"{parts[name]}/{stored}"
    words = re.split(r"[\\/]+", stored)  # a file may come from Windows
    starts = [index for index, word in enumerate(words) if word in _FOLDERS[name]]
    return "/".join(words[starts[-1] :]) if starts else words[-1]


def _same(stored: str, present: Path) -> bool:
    if stored == str(present):
        return True
    return os.path.exists(stored) and present.exists() and os.path.samefile(stored, present)
