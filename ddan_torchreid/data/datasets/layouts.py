"""Lists the images of a published dataset under the data root.

Only files are listed: none of torchreid's dataset classes is built, which would download some sets
and draw the splits of others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scipy.io import loadmat

from ..loose_images import is_image_name
from .listing import LEFT_OUT, Shot
from .published import CUHK03_DETECTED, DATASETS, MSMT17_LISTS, Part


class Count(NamedTuple):
    """Images and persons of a part, found and published (zeros where nothing is published)."""

    part: str
    images: int
    persons: int
    published_images: int = 0
    published_persons: int = 0

    @property
    def as_published(self) -> bool:
        """Whether both numbers are the published ones."""
        return self[1:3] == self[3:5]


def count(part: str, shots: Sequence[Shot], published: tuple[int, int] = (0, 0)) -> Count:
    """Counts the images of a part and the persons in them."""
    return Count(part, len(shots), len({shot.pid for shot in shots}), *published)


@dataclass
class Listing:
    """The images that are there, and what is wrong with folders and names.

    Attributes:
        shots: The images that torchreid reads.
        counts: One for each part.
        missing: Required folders and files that are not there.
        misnamed: Images with the right extension that torchreid fails on.
        ignored: Images that torchreid passes over, because of their extension.
        packed: Whether the images are still inside an archive, so that none can be read.
    """

    shots: list[Shot] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    packed: bool = False

    def add(self, part: str, shots: Sequence[Shot], published: tuple[int, int]) -> None:
        """Adds the images of a part."""
        self.shots += shots
        self.counts.append(count(part, shots, published))


def missing(name: str, root: Path) -> list[str]:
    """Folders and files that a dataset needs and that are not under the data root."""
    dataset = DATASETS[name]
    base = root / dataset.folder
    needed = [*dataset.required, *(part.folder for part in dataset.parts)]
    absent = [str(base / path) for path in needed if not any(base.glob(path))]
    return [] if name == "cuhk01" and (base / "CUHK01.zip").is_file() else absent


def list_images(name: str, root: Path) -> Listing:
    """Lists a dataset, a key of ``DATASETS``, under the data root without reading an image.

    Raises:
        ValueError: CUHK03's protocol or a list of MSMT17 cannot be read.
    """
    dataset, listing = DATASETS[name], Listing(missing=missing(name, root))
    base = root / dataset.folder
    if name == "cuhk03" and not listing.missing:
        _list_cuhk03(base, listing)
    if name == "msmt17" and not listing.missing:
        _list_msmt17(base, listing)
    listing.packed |= name == "cuhk01" and not listing.missing and not (base / "campus").is_dir()
    for part in () if listing.packed else dataset.parts:
        folders = sorted(folder for folder in base.glob(part.folder) if folder.is_dir())
        shots = [shot for folder in folders for shot in _list_folder(folder, part, listing)]
        listing.add(part.name, shots, (part.images, part.persons))
    return listing


def _list_folder(folder: Path, part: Part, listing: Listing) -> list[Shot]:
    shots = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        match = re.fullmatch(part.pattern, path.name, re.ASCII)
        if match and match[1] != LEFT_OUT:
            person = match[1]
            if part.scope and int(person) > part.shared:
                person = f"{part.scope}/{person}"
            shots.append(Shot(str(path), person, folder.name, part.split))
        elif not match and path.suffix == part.suffix:
            listing.misnamed.append(str(path))
        elif is_image_name(path.name) and path.suffix != part.suffix:
            listing.ignored.append(str(path))
    return shots


def _list_cuhk03(base: Path, listing: Listing) -> None:
    file, folder = base / "cuhk03_new_protocol_config_detected.mat", base / "images_detected"
    try:
        protocol = loadmat(str(file))
        names = [str(cell[0]) for cell in protocol["filelist"].ravel()]
        persons = protocol["labels"].ravel()
        for split, published in CUHK03_DETECTED.items():
            shots = [
                Shot(str(folder / names[row]), str(persons[row]), names[row].split("_")[2], split)
                for row in map(int, protocol[f"{split}_idx"].ravel() - 1)
            ]
            listing.add(split, shots, published)
    except Exception as error:  # a damaged file may raise anything from the reader
        raise ValueError(
            f"{file} is not the new protocol of CUHK03 ({error}); download it again"
        ) from error
    listing.packed = not folder.is_dir()


def _list_msmt17(base: Path, listing: Listing) -> None:
    # torchreid takes the first version that is there.
    version = sorted(folder for folder in base.glob("MSMT17_V*") if folder.is_dir())[0]
    folders = {"train": "train", "test": "test"}
    if version.name == "MSMT17_V2":
        folders = {"train": "mask_train_v2", "test": "mask_test_v2"}
    for part, published in MSMT17_LISTS.items():
        half = "train" if part in ("train", "val") else "test"  # each counts its persons from 0
        split = "train" if part == "val" else part
        file, shots = version / f"list_{part}.txt", []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = re.fullmatch(r"([^_\s]+_[^_\s]+_(\d+)[_.]\S*) (\d+)", line)
            if match is None:
                raise ValueError(f"{file}, line {number}: {line!r} is no image with its person")
            path = str(version / folders[half] / match[1])
            shots.append(Shot(path, f"{half}/{match[3]}", match[2], split))
        listing.add(part, shots, published)
