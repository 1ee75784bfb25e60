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
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..data.datasets.layouts import list_images
from ..data.datasets.published import DATASETS
from ..data.datasets.split_files import SPLIT_FILES
from .splits import LabelledImage, Split, SplitSet

Images = dict[str, list[LabelledImage]]

# Folders of the query and of the gallery images, in the order of the cameras.
_SIDES = {
    "viper": ("cam_a", "cam_b"),
    "prid": ("cam_a", "cam_b"),
    "grid": ("probe", "gallery"),
}
# Whether a gallery image shows somebody who is in every gallery and is nobody's match.
_DISTRACTORS: dict[str, Callable[[int], bool]] = {
    "viper": lambda pid: False,
    "prid": lambda pid: pid > 200,
    "grid": lambda pid: pid == 0,
}
NAMES = ("viper", "prid", "grid", "ilids")


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
    images, folder = _list(name, root), root / DATASETS[name].folder
    if name == "ilids":
        splits = [_pairs(images["Persons"], (name, seed, number)) for number in range(count)]
    elif name == "grid":
        everyone = {image.pid for image in images["probe"]}
        trained = _grid_partitions(folder, count)
        splits = [_split(name, images, everyone - each) for each in trained]
    else:
        first, second = ({image.pid for image in images[side]} for side in _SIDES[name])
        both = [str(pid) for pid in first & second if not _DISTRACTORS[name](pid)]
        splits = []
        for number in range(count):
            persons = _in_order(both, (name, seed, number))[len(both) // 2 :]
            splits.append(_split(name, images, map(int, persons)))
            if name == "viper":
                splits.append(_split(name, images, map(int, persons), reverse=True))
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
    images, folder = _list(name, root), root / DATASETS[name].folder
    file = folder / SPLIT_FILES[name][0]
    if not file.is_file():
        raise FileNotFoundError(
            f"torchreid has not drawn the splits of {name} yet: there is no {file}; leave out "
            "--splits-from torchreid, or put the file there"
        )
    try:
        stored = json.loads(file.read_bytes())
        wanted = stored[: 2 * count if name == "viper" else count]
        splits = [_torchreid_split(name, images, split) for split in wanted]
        available = len(stored) // (2 if name == "viper" else 1)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{file} is not a split file of torchreid ({error!r})") from error
    _check_count(name, count, available)
    return _numbered(name, folder, f"torchreid's {file.name}", splits)


def _torchreid_split(name: str, images: Images, stored: dict[str, Any]) -> Split:
    if name == "prid":
        return _split(name, images, stored["test"])
    if name == "ilids":
        by_name = {os.path.basename(image.path): image for image in images["Persons"]}
        query, gallery = ([by_name[each] for each in stored[key]] for key in ("query", "gallery"))
        return Split("", tuple(query), tuple(gallery))
    # Absolute paths of the machine that drew them, possibly with its separators.
    parts = [row[0].replace("\\", "/").split("/") for row in stored["query"]]
    persons = [int(words[-1].split("_")[0]) for words in parts]
    return _split(name, images, persons, reverse=parts[0][-2] == "cam_b")


def _split(name: str, images: Images, persons: Iterable[int], reverse: bool = False) -> Split:
    chosen = set(persons)
    query, gallery = reversed(_SIDES[name]) if reverse else _SIDES[name]
    split = Split(
        f"{query} to {gallery}" if name == "viper" else "",
        tuple(image for image in images[query] if image.pid in chosen),
        tuple(i for i in images[gallery] if i.pid in chosen or _DISTRACTORS[name](i.pid)),
    )
    if not split.query or not split.gallery:
        raise ValueError(f"{name} has no query or no gallery image in a split; get all its images")
    return split


def _pairs(images: list[LabelledImage], key: tuple) -> Split:
    of_person: dict[str, dict[str, LabelledImage]] = defaultdict(dict)
    for image in images:
        of_person[str(image.pid)][os.path.basename(image.path)] = image
    persons = [pid for pid, own in of_person.items() if len(own) > 1]
    query, gallery = [], []
    for pid in sorted(_in_order(persons, key)[len(persons) // 2 :], key=int):
        first, second, *_ = _in_order(of_person[pid], key)
        query.append(of_person[pid][first])
        gallery.append(of_person[pid][second])
    if not query:
        raise ValueError("ilids has no person with two images; get all its images")
    return Split("", tuple(query), tuple(gallery))


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


def _list(name: str, root: Path) -> Images:
    listing = list_images(name, root)
    if listing.missing:
        raise FileNotFoundError(f"{name} is not under the data root: no {listing.missing[0]}")
    images: Images = defaultdict(list)
    folder = root / DATASETS[name].folder
    for shot in listing.shots:
        path = Path(shot.path)
        camera = {"cam_a": 0, "cam_b": 1}.get(shot.camera)
        if camera is None:  # the number is a part of the name, from 1 on
            camera = int(path.name.split("_")[1] if name == "grid" else path.stem[4:7]) - 1
        pid = int(shot.pid.rpartition("/")[2])
        relative = path.relative_to(folder).as_posix()
        images[shot.camera].append(LabelledImage(relative, pid, camera))
    for found in images.values():
        found.sort()
    return images


def _numbered(name: str, folder: Path, origin: str, splits: list[Split]) -> SplitSet:
    each = 2 if name == "viper" else 1
    named = (
        Split(f"{number // each + 1} {split.name}".strip(), split.query, split.gallery)
        for number, split in enumerate(splits)
    )
    return SplitSet(name, folder, origin, tuple(named))
