"""Single-shot splits of VIPeR, PRID, GRID and i-LIDS, as the field draws them.

VIPeR: half of the 632 persons, one view against the other, in both directions. PRID: half of the
200 persons that both views have, view A against those of B and its 549 others. GRID: its ten
published partitions, 125 probes against their matches and 775 others. i-LIDS: 60 persons, one image
against another. ``torchreid.data`` draws them from the global random state of the process that
first loads them; here they follow from the names alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ..data.datasets.layouts import list_images
from ..data.datasets.published import DATASETS
from ..data.datasets.split_files import SPLIT_FILES
from .splits import LabelledImage, Split, SplitSet

Images = dict[str, list[LabelledImage]]

NAMES = ("viper", "prid", "grid", "ilids")
# The folders of queries and gallery, and the persons of the gallery who are in every split and
# nobody's match.
_SIDES: dict[str, tuple[str, str, Collection[int]]] = {
    "viper": ("cam_a", "cam_b", ()),
    "prid": ("cam_a", "cam_b", range(201, 10_000)),
    "grid": ("probe", "gallery", (0,)),
}


def draw_splits(name: str, root: Path, count: int, seed: int = 0) -> SplitSet:
    """Draws the splits of a dataset.

    They are a function of (dataset, seed, number of the split) and of the images that are there:
    persons, and images of a person, are taken in the order of the SHA-256 of the four. GRID's are
    the first ``count`` of its own and have no seed.

    Args:
        name: one of ``NAMES``.
        root: the data root.
        count: random halves or partitions; VIPeR has two splits in each.
        seed: another one draws other splits.

    Raises:
        FileNotFoundError: the dataset is not there.
        ValueError: GRID's partitions cannot be read, or are fewer.
    """
    images, folder = _list(name, root)
    keys = [(name, seed, number) for number in range(count)]
    if name == "ilids":
        splits = [_pairs(images["Persons"], key) for key in keys]
    elif name == "grid":
        everyone = {image.pid for image in images["probe"]}
        splits = [_split(name, images, everyone - each) for each in _grid_partitions(folder, count)]
    else:
        first, second, distractors = _SIDES[name]
        both = {image.pid for image in images[first]} & {image.pid for image in images[second]}
        names = [str(pid) for pid in both if pid not in distractors]
        splits = [_split(name, images, set(map(int, _half(names, key)))) for key in keys]
    origin = "GRID's own partitions" if name == "grid" else f"drawn with seed {seed}"
    return _numbered(name, folder, origin, splits)


def torchreid_splits(name: str, root: Path, count: int) -> SplitSet:
    """The splits that torchreid has drawn and stored under the data root.

    Only names of persons and files are taken from its file, so a moved data root does no harm.

    Args:
        name: one of ``NAMES``.
        root: the data root.
        count: how many of them, in torchreid's order; VIPeR has two splits in each.

    Raises:
        FileNotFoundError: the dataset is not there, or torchreid has not drawn its splits yet.
        ValueError: the file cannot be read, holds fewer, or splits without an image that is there.
    """
    images, folder = _list(name, root)
    file = folder / SPLIT_FILES[name][0]
    if not file.is_file():
        raise FileNotFoundError(
            f"torchreid has not drawn the splits of {name} yet: there is no {file}; leave out "
            "--splits-from torchreid, or put the file there"
        )
    try:
        stored = json.loads(file.read_bytes())
        if name == "viper":  # every other one is the one before with query and gallery exchanged
            stored = stored[::2]
        splits = [_torchreid_split(name, images, split) for split in stored[:count]]
        available = len(stored)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{file} is not a split file of torchreid ({error!r})") from error
    _check_count(name, count, available)
    return _numbered(name, folder, f"torchreid's {file.name}", splits)


def _torchreid_split(name: str, images: Images, stored: dict[str, Any]) -> Split:
    if name == "prid":
        return _split(name, images, set(stored["test"]))
    if name == "ilids":
        by_name = {os.path.basename(image.path): image for image in images["Persons"]}
        query, gallery = ([by_name[each] for each in stored[key]] for key in ("query", "gallery"))
        return Split("", tuple(query), tuple(gallery))
    # Absolute paths of the machine that drew them, possibly with its separators.
    files = [row[0].replace("\\", "/").rpartition("/")[2] for row in stored["query"]]
    return _split(name, images, {int(file.split("_")[0]) for file in files})


def _split(name: str, images: Images, persons: set[int]) -> Split:
    first, second, distractors = _SIDES[name]
    query = tuple(image for image in images[first] if image.pid in persons)
    gallery = tuple(i for i in images[second] if i.pid in persons or i.pid in distractors)
    if not query or not gallery:
        raise ValueError(f"{name} has no query or no gallery image in a split; get all its images")
    return Split("", query, gallery)


def _pairs(images: list[LabelledImage], key: tuple) -> Split:
    of_person: dict[str, dict[str, LabelledImage]] = defaultdict(dict)
    for image in images:
        of_person[str(image.pid)][os.path.basename(image.path)] = image
    persons = [pid for pid, own in of_person.items() if len(own) > 1]
    query, gallery = [], []
    for pid in sorted(_half(persons, key), key=int):
        first, second, *_ = _in_order(of_person[pid], key)
        query.append(of_person[pid][first])
        gallery.append(of_person[pid][second])
    if not query:
        raise ValueError("ilids has no person with two images; get all its images")
    return Split("", tuple(query), tuple(gallery))


def _half(names: Collection[str], key: tuple) -> list[str]:
    return _in_order(names, key)[len(names) // 2 :]


def _in_order(names: Iterable[str], key: tuple) -> list[str]:
    # Hashes give the same order with every version of Python and NumPy; generators do not.
    def digest(name: str) -> str:
        return hashlib.sha256("/".join(map(str, (*key, name))).encode()).hexdigest()

    return sorted(names, key=digest)


def _grid_partitions(folder: Path, count: int) -> list[set[int]]:
    from scipy.io import loadmat  # takes long to import, and one dataset needs it

    file = folder / "underground_reid" / "features_and_partitions.mat"
    try:
        cells = loadmat(str(file))["trainIdxAll"][0]
        # The third field of a cell holds the persons of the training half; torchreid reads it too.
        trained = [{int(pid) for pid in cell[0][0][2][0]} for cell in cells]
    except Exception as error:  # a damaged file may raise anything from the reader
        raise ValueError(
            f"{file} does not hold GRID's partitions ({error}); get it again"
        ) from error
    _check_count("grid", count, len(trained))
    return trained[:count]


def _check_count(name: str, count: int, available: int) -> None:
    if count > available:
        raise ValueError(f"{name} has {available} splits; write {available} or fewer, not {count}")


def _list(name: str, root: Path) -> tuple[Images, Path]:
    """Images by their folder, in the order of their names, and the dataset's folder."""
    listing, base = list_images(name, root), root / DATASETS[name].folder
    if listing.missing:
        raise FileNotFoundError(f"{name} is not under the data root: no {listing.missing[0]}")
    images: Images = defaultdict(list)
    for shot in listing.shots:
        path = Path(shot.path)
        camera = {"cam_a": 0, "cam_b": 1}.get(shot.camera)
        if camera is None:  # the number is a part of the name, from 1 on
            camera = int(path.name.split("_")[1] if name == "grid" else path.stem[4:7]) - 1
        pid = int(shot.pid.rpartition("/")[2])
        relative = path.relative_to(base).as_posix()
        images[shot.camera].append(LabelledImage(relative, pid, camera))
    for found in images.values():
        found.sort()
    return images, base


def _numbered(name: str, folder: Path, origin: str, splits: list[Split]) -> SplitSet:
    named = []
    for number, split in enumerate(splits, 1):
        if name == "viper":
            named.append(Split(f"{number} cam_a to cam_b", split.query, split.gallery))
            named.append(Split(f"{number} cam_b to cam_a", split.gallery, split.query))
        else:
            named.append(Split(str(number), split.query, split.gallery))
    return SplitSet(name, folder, origin, tuple(named))
