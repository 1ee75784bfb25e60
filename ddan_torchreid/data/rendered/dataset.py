"""Writes rendered domains to disk and reads them as torchreid datasets."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import torchreid
from tqdm import tqdm

from ddan_torchreid.data.rendered.domains import Domain, find_domain
from ddan_torchreid.data.rendered.draw import draw_image

FORMAT_VERSION = 1
"""Raise it whenever the pixels or the folder layout change."""

FIRST_TEST_IDENTITY = 10_000
"""Numbers of query and gallery identities start here, so they never meet a training one."""

FOLDER = "rendered"
MANIFEST = "domain.json"
SPLITS = ("train", "query", "gallery")
_FILE_NAME = re.compile(r"(\d{5})_c(\d+)_(\d+)\.png")
_GALLERY_IMAGES = 2

Item = tuple[str, int, int]


def _shots(spec: Domain, settings: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    """All (split, identity, camera, index) of a domain; query is one image per camera."""
    cameras = range(spec.cameras)
    train = [
        ("train", identity, camera, index)
        for identity in range(settings["identities"])
        for camera in cameras
        for index in range(settings["images_per_camera"])
    ]
    test = [
        ("query" if index == 0 else "gallery", FIRST_TEST_IDENTITY + identity, camera, index)
        for identity in range(settings["test_identities"])
        for camera in cameras
        for index in range(1 + _GALLERY_IMAGES)
    ]
    return train + test


def draw_domain(
    name: str,
    root: str | Path,
    identities: int | None = None,
    images_per_camera: int | None = None,
    height: int = 128,
    width: int = 64,
    test_identities: int | None = None,
    progress: bool = True,
) -> Path:
    """Draw a domain into ``<root>/rendered/<name>``, unless it is there already.

    The folder holds ``{train,query,gallery}/<pid:05d>_c<camera>_<index>.png`` and the manifest
    ``domain.json``. Query has one image of every test identity in every camera, gallery two.
    The folder appears under its name only when it is complete.

    Args:
        name: name of a rendered domain.
        root: data root, as torchreid's ``root``.
        identities: training identities; default: the domain's own number.
        images_per_camera: training images of an identity in each camera; default: the domain's own.
        height: rows of the images.
        width: columns of the images.
        test_identities: identities of query and gallery; default: the domain's own number.
        progress: whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: if the name is unknown or a number is below 1.
        FileExistsError: if the folder is there with other settings or without a manifest.
    """
    spec = find_domain(name)
    chosen = {
        "identities": identities,
        "images_per_camera": images_per_camera,
        "test_identities": test_identities,
        "height": height,
        "width": width,
    }
    settings: dict[str, int] = {
        key: getattr(spec, key) if value is None else value for key, value in chosen.items()
    }
    for key, value in settings.items():
        if value < 1:
            raise ValueError(f"{key} must be 1 or more, but is {value}")
    if settings["identities"] > FIRST_TEST_IDENTITY:
        raise ValueError(f"identities must be at most {FIRST_TEST_IDENTITY}")
    manifest = {"format_version": FORMAT_VERSION, "name": name, "cameras": spec.cameras, **settings}

    folder = Path(root) / FOLDER / name
    if folder.exists():
        _check_manifest(folder, manifest)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent))
    try:
        for split in SPLITS:
            (unfinished / split).mkdir()
        shots = _shots(spec, settings)
        off = None if progress else True  # None leaves it out where there is no terminal
        for split, identity, camera, index in tqdm(shots, f"drawing {name}", disable=off):
            image = draw_image(name, identity, camera, index, height, width)
            path = unfinished / split / f"{identity:05d}_c{camera}_{index}.png"
            if not cv2.imwrite(str(path), image[:, :, ::-1]):
                raise OSError(f"could not write {path}")
        (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        unfinished.chmod(0o755)  # mkdtemp makes it private
        try:
            os.rename(unfinished, folder)
        except OSError:
            # Another process may have drawn the same domain meanwhile: take its result.
            if not folder.exists():
                raise
            _check_manifest(folder, manifest)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _check_manifest(folder: Path, wanted: dict[str, Any]) -> None:
    remedy = "delete the folder or choose another root"
    try:
        found = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise FileExistsError(f"{folder} has no readable {MANIFEST}; {remedy}") from error
    different = [
        f"{key} {found.get(key)} instead of {value}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    if different:
        raise FileExistsError(f"{folder} was drawn with {', '.join(different)}; {remedy}")


def read_domain(folder: Path) -> tuple[list[Item], list[Item], list[Item]]:
    """The images of a drawn domain.

    Args:
        folder: what ``draw_domain`` returned.

    Returns:
        train, query and gallery as lists of (path, pid, camid), sorted by path. The pids of
        train are 0, 1, ... in the order of the identities.

    Raises:
        FileNotFoundError: if a split has no images.
    """
    lists: list[list[Item]] = []
    for split in SPLITS:
        items: list[Item] = []
        for path in sorted((folder / split).glob("*.png")):
            match = _FILE_NAME.fullmatch(path.name)
            if match:
                items.append((str(path), int(match[1]), int(match[2])))
        if not items:
            raise FileNotFoundError(f"{folder / split} has no images; delete {folder} to redraw it")
        lists.append(items)
    train, query, gallery = lists
    labels = {pid: label for label, pid in enumerate(sorted({pid for _, pid, _ in train}))}
    return [(path, labels[pid], camera) for path, pid, camera in train], query, gallery


def dataset_class(name: str) -> type[torchreid.data.ImageDataset]:
    """A torchreid dataset of a rendered domain.

    Args:
        name: name of a rendered domain.

    Returns:
        A subclass of ``torchreid.data.ImageDataset`` for ``register_image_dataset``. Built with
        ``root``, it reads ``<root>/rendered/<name>`` in whatever size it was drawn there, and
        draws it with the default settings when the folder is missing.

    Raises:
        ValueError: if the name is unknown.
    """
    find_domain(name)

    class RenderedDataset(torchreid.data.ImageDataset):
        dataset_dir = f"{FOLDER}/{name}"

        def __init__(self, root: str = "", **kwargs: Any) -> None:
            data_root = Path(root).expanduser().absolute()
            folder = data_root / FOLDER / name
            if not folder.exists():
                draw_domain(name, data_root)
            train, query, gallery = read_domain(folder)
            super().__init__(train, query, gallery, **kwargs)

    RenderedDataset.__name__ = RenderedDataset.__qualname__ = "".join(
        part.capitalize() for part in name.split("_")
    )
    RenderedDataset.__doc__ = f"The drawn domain ``{name}``; see ``dataset_class``."
    return RenderedDataset
