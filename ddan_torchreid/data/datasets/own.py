"""Own images as a torchreid dataset, without writing a class.

``--dataset NAME=PATH`` names one domain. PATH is one of

* a folder in the layout of Market-1501: ``bounding_box_train``, ``query`` and ``bounding_box_test``
  (those that are needed) with images ``<pid>_c<camera>...``;
* a CSV file in UTF-8 with the columns ``path,pid,camid`` and, optionally, ``domain`` and ``split``
  (train, query or gallery). A path is relative to the file's folder, with ``/`` or, from Windows,
  backslashes. ``PATH#DOMAIN`` takes the rows of one domain, and is needed when there are several.

What both have in common:

* Pids, cameras and domains are texts, but equal whole numbers are one, however a spreadsheet
  writes them: ``7``, ``7.0``, ``7e0`` and ``0007``. One pid is one person in all splits.
* Pid ``-1`` is left out. Pid ``0`` that only the gallery has is background, as in Market-1501:
  nobody's match, and never trained on.
* A source needs training images, or ``data.combineall``, which takes every split. A target needs
  query and gallery.
* Without the column ``split`` every image is for training; as a target, each person seen by two
  cameras or more gives one query image, the one whose path relative to the file has the smallest
  SHA-256, and all other images are the gallery. The same rows must not be both source and
  target then: see :attr:`OwnDataset.is_split`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torchreid

from ..loose_images import printable
from .listing import FOLDERS, Shot, read
from .loading import load

_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class OwnDataset(torchreid.data.ImageDataset):
    """Base of the classes of :func:`dataset_class`.

    Attributes:
        dataset_dir: The folder or the CSV file, absolute.
        shots: The images.
        is_split: Whether it says which images are for training and which for testing.
    """

    dataset_dir: ClassVar[str]
    shots: ClassVar[list[Shot]]
    is_split: ClassVar[bool]

    def __init__(self, root: str = "", **kwargs: Any) -> None:
        """Takes torchreid's arguments; ``root`` has no effect.

        Raises:
            ValueError: it has no images for the mode, such as no query for a target.
        """
        everything = kwargs.pop("combineall", False)
        lists = self._lists(everything)
        train, query, gallery = lists.values()
        name, place = type(self).__name__, self.dataset_dir
        if kwargs.get("mode", "train") != "train":
            if not self.is_split and not query:
                raise ValueError(
                    f"{name} cannot be a target: no person in {place} is seen by two cameras"
                )
            for split in ("query", "gallery"):
                if not lists[split]:
                    raise ValueError(
                        f"{name} cannot be a target: it has no {split} images; add them to {place}"
                    )
        elif not train:
            raise ValueError(
                f"{name} cannot be a source: {place} has no training images; add them, or write "
                "data.combineall True to train on its query and gallery"
            )
        self._sizes = {split: _sizes(items) for split, items in lists.items()}
        # torchreid looks at the first item of every list, needed or not.
        filler = (train or query or gallery)[:1]
        super().__init__(train or filler, query or filler, gallery or filler, **kwargs)
        self.combineall = everything

    def _lists(self, everything: bool) -> dict[str, list[tuple[str, int, int]]]:
        splits: dict[str, list[Shot]] = {split: [] for split in FOLDERS}
        for shot in self.shots:
            splits[shot.split or "train"].append(shot)
        if everything:
            background = {shot.split for shot in self.shots if shot.pid == "0"} == {"gallery"}
            splits["train"] = [shot for shot in self.shots if shot.pid != "0" or not background]
        if not self.is_split:
            folder = Path(self.dataset_dir).parent
            splits["query"], splits["gallery"] = _single_query(self.shots, folder)
        # torchreid joins sources by the number of their training cameras: these come first.
        cameras = _numbers(shot.camera for shot in splits["train"])
        for camera in sorted({shot.camera for shot in self.shots} - cameras.keys()):
            cameras[camera] = len(cameras)
        persons = dict.fromkeys(FOLDERS, _numbers(shot.pid for shot in self.shots))
        persons["train"] = _numbers(shot.pid for shot in splits["train"])
        return {
            split: [(shot.path, persons[split][shot.pid], cameras[shot.camera]) for shot in shots]
            for split, shots in splits.items()
        }

    def show_summary(self) -> None:
        """Prints torchreid's table, with zeros for what is not there."""
        line = "  " + "-" * 40
        print(f"=> Loaded {type(self).__name__} ({self.dataset_dir})\n{line}")
        print(f"  subset   | # ids | # images | # cameras\n{line}")
        for split, (persons, images, cameras) in self._sizes.items():
            print(f"  {split:<9}| {persons:5d} | {images:8d} | {cameras:9d}")
        print(line)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes that are spawned cannot import a class that a flag made.
        return OwnDataset.__new__, (OwnDataset,), self.__dict__


def dataset_classes(
    flags: Iterable[str], known: Collection[str], read: Collection[str] | None = None
) -> dict[str, type[OwnDataset]]:
    """The datasets of flags ``NAME=PATH``, by name.

    Args:
        flags: what follows each ``--dataset``.
        known: names that are taken.
        read: names of those that are wanted, None for all; the disk is not looked at for others.

    Raises:
        ValueError, FileNotFoundError: a flag, a name or the data is not valid.
    """
    classes: dict[str, type[OwnDataset]] = {}
    names = set(known)
    for flag in flags:
        name, equals, path = flag.partition("=")
        if not (equals and path.strip() and _DATASET_NAME.fullmatch(name)):
            raise ValueError(
                f"--dataset {flag!r} is not NAME=PATH with a name of letters, digits, _ and -; "
                "write, for example, --dataset shop=crops.csv"
            )
        if name in names:
            raise ValueError(f"--dataset {name}=...: this name is taken; choose another")
        names.add(name)
        if read is None or name in read:
            classes[name] = dataset_class(name, path)
    return classes


def dataset_class(name: str, path: str) -> type[OwnDataset]:
    """The torchreid dataset ``name`` of a folder or a CSV file; see the module for both.

    Raises:
        ValueError, FileNotFoundError: see :func:`ddan_torchreid.data.datasets.listing.read`.
    """
    place, shots = read(path)
    members = {
        "dataset_dir": str(place),
        "shots": shots,
        "is_split": bool(shots[0].split),
        "__doc__": f"The images of {printable(path)}.",
    }
    return type(name, (OwnDataset,), members)


def stand_in(name: str, mode: str) -> type[torchreid.data.ImageDataset]:
    """One image of a registered dataset as a dataset, for a data manager that wants one more.

    It is the source where targets are tested (``mode`` is 'query'), and the target where sources
    are compared ('train').
    """

    class StandIn(torchreid.data.ImageDataset):
        # There on every machine: of a dataset that is missing, its own name is reported.
        dataset_dir = os.path.abspath(os.sep)

        def __init__(self, root: str = "", **kwargs: Any) -> None:
            kwargs["verbose"] = False
            options = kwargs | {"root": root, "mode": mode}
            dataset = load(torchreid.data.datasets.init_image_dataset, name, **options)
            item = (getattr(dataset, mode)[0][0], 0, 0)
            super().__init__([item], [item], [item], **kwargs)

    return StandIn


def _single_query(shots: Sequence[Shot], folder: Path) -> tuple[list[Shot], list[Shot]]:
    cameras: dict[str, set[str]] = defaultdict(set)
    for shot in shots:
        cameras[shot.pid].add(shot.camera)

    def digest(shot: Shot) -> str:
        name = os.path.relpath(shot.path, folder)
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()

    queries: dict[str, Shot] = {}
    for shot in sorted(shots, key=digest):
        if len(cameras[shot.pid]) > 1:
            queries.setdefault(shot.pid, shot)
    chosen = set(queries.values())
    return list(queries.values()), [shot for shot in shots if shot not in chosen]


def _numbers(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def _sizes(items: Sequence[tuple[str, int, int]]) -> tuple[int, int, int]:
    return len({item[1] for item in items}), len(items), len({item[2] for item in items})
