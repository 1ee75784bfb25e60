"""Draws domains into folders in Market-1501's layout, which the package reads as anyone's data."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from .domains import DOMAINS, SOURCES, TARGETS, find_domain
from .image import draw_image

VERSION = 1
"""Of the drawings; a folder of another version is refused."""

FIRST_TEST_IDENTITY = 5001
_GALLERY_IMAGES = 2
_SETTINGS = "synthetic.json"


class _Shot(NamedTuple):
    path: Path
    domain: str
    identity: int
    camera: int
    index: int
    size: tuple[int, int]


def draw(
    root: str | Path,
    names: Sequence[str] = (*SOURCES, *TARGETS),
    identities: int = 60,
    images: int = 4,
    test_identities: int = 60,
    size: tuple[int, int] = (128, 64),
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Path]:
    """Draws domains into folders ``<root>/<name>``, unless they are there already.

    A folder has Market-1501's layout: ``bounding_box_train``, ``query`` and ``bounding_box_test``
    with files ``<pid>_c<camera>_<index>.jpg``. The query has one image of each test identity by each
    camera, the gallery two. A folder appears when all of it is there, and an image depends on the
    names and numbers in its path and on ``size`` only.

    Args:
        root: where the folders go.
        names: of the domains.
        identities: training identities of each domain, 0 for a domain that is a target only.
        images: of a training identity by each camera.
        test_identities: identities of query and gallery, 0 for a domain that is a source only.
        size: (height, width) of the images.
        workers: processes that draw.
        progress: whether to show a bar, where there is a terminal.

    Returns:
        The folders, absolute, by name.

    Raises:
        ValueError: a name is unknown or a number too small or too large.
        FileExistsError: a folder was drawn with other numbers.
    """
    for what, number, least in (
        ("identities", identities, 0), ("test_identities", test_identities, 0),
        ("images", images, 1), ("workers", workers, 1), ("height", size[0], 16),
        ("width", size[1], 8),
    ):  # fmt: skip
        if number < least:
            raise ValueError(f"{what}={number} must be a whole number, {least} or more")
    if identities + test_identities == 0:
        raise ValueError("identities=0 and test_identities=0 draw nothing; give one of them")
    if identities >= FIRST_TEST_IDENTITY:
        raise ValueError(f"identities={identities} must be below {FIRST_TEST_IDENTITY}")
    root = Path(root).expanduser().absolute()
    folders = {name: root / find_domain(name).name for name in names}
    settings = {
        "version": VERSION, "identities": identities, "images": images,
        "test_identities": test_identities, "size": list(size),
    }  # fmt: skip
    missing = [name for name, folder in folders.items() if not folder.exists()]
    for name in folders.keys() - set(missing):
        _check_settings(folders[name], settings)
    if not missing:
        return folders

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=root) as scratch:
        shots = [
            shot
            for name in missing
            for shot in _shots(Path(scratch, name), name, identities, images, test_identities, size)
        ]
        for folder in {shot.path.parent for shot in shots}:
            folder.mkdir(parents=True)
        hidden = None if progress else True  # None: shown on a terminal only
        with tqdm(total=len(shots), desc="drawing pedestrians", disable=hidden) as bar:
            if workers == 1:
                for shot in shots:
                    _save(shot)
                    bar.update()
            else:
                spawn = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
                    for _ in pool.map(_save, shots, chunksize=32):
                        bar.update()
        for name in missing:
            Path(scratch, name, _SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
            os.rename(Path(scratch, name), folders[name])
    return folders


def register(folders: dict[str, Path]) -> None:
    """Makes folders known to torchreid by their names, as ``--dataset NAME=PATH`` does."""
    from ddan_torchreid import integration

    integration.register_own([f"{name}={path}" for name, path in folders.items()])


def _shots(
    folder: Path, name: str, identities: int, images: int, tests: int, size: tuple[int, int]
) -> Iterator[_Shot]:
    def shot(part: str, identity: int, camera: int, index: int) -> _Shot:
        path = folder / part / f"{identity:04d}_c{camera + 1}_{index}.jpg"
        return _Shot(path, name, identity, camera, index, size)

    for camera in range(len(DOMAINS[name].scenes)):
        for identity in range(1, identities + 1):
            for index in range(images):
                yield shot("bounding_box_train", identity, camera, index)
        for identity in range(FIRST_TEST_IDENTITY, FIRST_TEST_IDENTITY + tests):
            yield shot("query", identity, camera, 0)
            for index in range(1, 1 + _GALLERY_IMAGES):
                yield shot("bounding_box_test", identity, camera, index)


def _save(shot: _Shot) -> None:
    image = draw_image(shot.domain, shot.identity, shot.camera, shot.index, *shot.size)
    image.save(shot.path, quality=DOMAINS[shot.domain].jpeg)


def _check_settings(folder: Path, wanted: dict[str, object]) -> None:
    remedy = "delete it, or choose another root"
    try:
        found = json.loads((folder / _SETTINGS).read_text())
    except (OSError, ValueError) as error:
        raise FileExistsError(f"{folder} has no readable {_SETTINGS}; {remedy}") from error
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        what = ", ".join(f"{key}={found.get(key)}" for key in differing)
        raise FileExistsError(f"{folder} was drawn with {what}; {remedy}")
