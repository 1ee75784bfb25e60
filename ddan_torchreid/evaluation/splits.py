"""Test splits: which images of a target are queries and which are the gallery, and their file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..data.loose_images import printable
from ..system.files import replacing

STANDARD_SIZES = {"viper": (316, 316), "prid": (100, 649), "grid": (125, 900), "ilids": (60, 60)}
"""Query and gallery images in a split of the whole dataset as it is published."""
_FORMAT = "ddan_torchreid splits 1"


class LabelledImage(NamedTuple):
    """An image with its path below the dataset's folder (``/`` between parts) and its labels."""

    path: str
    pid: int
    camid: int


@dataclasses.dataclass(frozen=True)
class Split:
    """One query set and its gallery."""

    name: str
    query: tuple[LabelledImage, ...]
    gallery: tuple[LabelledImage, ...]


@dataclasses.dataclass(frozen=True)
class SplitSet:
    """The splits that a target is scored on.

    Attributes:
        dataset: name of the target.
        folder: the dataset's folder on this machine.
        origin: where the splits come from, in words.
        splits: one or more.
    """

    dataset: str
    folder: Path
    origin: str
    splits: tuple[Split, ...]

    @property
    def sha256(self) -> str:
        """Equal on two machines if and only if all splits have the same images and labels.

        The order within a query set or gallery, the data root and the splits' names do not matter.
        """
        content = [
            self.dataset,
            [[sorted(split.query), sorted(split.gallery)] for split in self.splits],
        ]
        text = json.dumps(content, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def note(self) -> str:
        """What to know about sizes that are not the benchmark's; empty where they are."""
        standard = STANDARD_SIZES.get(self.dataset)
        sizes = {(len(split.query), len(split.gallery)) for split in self.splits}
        if standard is None or sizes == {standard}:
            return ""
        found = " or ".join(f"{query}/{gallery}" for query, gallery in sorted(sizes))
        return (
            f"{self.dataset} has {found} query and gallery images in a split instead of "
            f"{standard[0]}/{standard[1]}, so the figures are not those of the benchmark"
        )

    def images(self) -> list[str]:
        """Paths of all images of all splits below the folder, sorted, each once."""
        return sorted(
            {image.path for split in self.splits for image in (*split.query, *split.gallery)}
        )

    def without(self, paths: Collection[str]) -> SplitSet:
        """The splits without some images.

        Raises:
            ValueError: a split has no query or no gallery left.
        """
        splits = []
        for split in self.splits:
            query, gallery = (
                tuple(image for image in part if image.path not in paths)
                for part in (split.query, split.gallery)
            )
            if not query or not gallery:
                raise ValueError(f"split {split.name} of {self.dataset} has no readable images")
            splits.append(Split(split.name, query, gallery))
        return dataclasses.replace(self, splits=tuple(splits))

    def write(self, file: Path) -> None:
        """Writes a JSON file for :func:`read_splits`, with relative paths and the hash."""
        content = {
            "format": _FORMAT,
            "dataset": self.dataset,
            "origin": self.origin,
            "sha256": self.sha256,
            "splits": [dataclasses.asdict(split) for split in self.splits],
        }
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="ascii")


def read_splits(file: Path, dataset: str, folder: Path) -> SplitSet:
    """Reads what :meth:`SplitSet.write` wrote, here or on another machine.

    Args:
        file: the JSON file.
        dataset: the target that is to be scored.
        folder: the dataset's folder on this machine.

    Raises:
        ValueError: the file is something else, was changed, or belongs to another dataset.
        FileNotFoundError: the file or an image of it does not exist.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"there are no splits of {dataset} in {file}; give the folder 'splits' that an earlier "
            "evaluation has written"
        )
    try:
        content = json.loads(file.read_bytes())
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {_FORMAT!r}")
        splits = tuple(
            Split(split["name"], *(_images(split[part]) for part in ("query", "gallery")))
            for split in content["splits"]
        )
        if not splits:
            raise ValueError("it holds no split")
        found = SplitSet(content["dataset"], folder, content["origin"], splits)
        if content["sha256"] != found.sha256:
            raise ValueError("its images are not those that its hash was made of")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file} is not a file of splits: {error}; write it again") from error
    if found.dataset != dataset:
        raise ValueError(f"{file} holds splits of {found.dataset}, not of {dataset}")
    absent = [path for path in found.images() if not (folder / path).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} images of the splits in {file} are not in {folder}, such as "
            f"{printable(absent[0])}"
        )
    return found


def _images(rows: Any) -> tuple[LabelledImage, ...]:
    images = []
    for path, pid, camid in rows:
        pure = PurePosixPath(path)
        inside = not pure.is_absolute() and ".." not in pure.parts
        if not inside or type(pid) is not int or type(camid) is not int:
            raise ValueError(f"{[path, pid, camid]} is no path below the dataset with two numbers")
        images.append(LabelledImage(path, pid, camid))
    if not images:
        raise ValueError("a split has no query or no gallery")
    return tuple(images)


def own_split(dataset: str, query: Sequence[Any], gallery: Sequence[Any]) -> SplitSet:
    """The one split of a dataset that brings its own query and gallery.

    Args:
        dataset: name of the target.
        query: torchreid's items, (path, pid, camid, ...); their order is kept.
        gallery: likewise.
    """
    places = {os.path.dirname(os.path.abspath(item[0])) for item in (*query, *gallery)}
    folder = Path(os.path.commonpath(places))
    parts = (
        tuple(
            LabelledImage(
                Path(os.path.abspath(path)).relative_to(folder).as_posix(), int(pid), int(camid)
            )
            for path, pid, camid, *_ in part
        )
        for part in (query, gallery)
    )
    return SplitSet(dataset, folder, "the dataset's own query and gallery", (Split("own", *parts),))
