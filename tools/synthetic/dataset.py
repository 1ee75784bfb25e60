"""Draws domains into folders in Market-1501's layout, which the package reads as anyone's data."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .domains import DOMAINS, SOURCES, TARGETS, find_domain
from .image import draw_image

VERSION = 1  # of the drawings; a folder of another version is refused
FIRST_TEST_IDENTITY = 5001
_SETTINGS = "synthetic.txt"

_Job = tuple[Path, tuple[str, int, int, int, int, int]]
"""A file, and the arguments of :func:`draw_image` for what it holds."""


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
    with files ``<pid>_c<camera>_<index>.jpg``. The query has one image of each test identity by
    each camera, the gallery two. A folder appears when all of it is there, and an image depends on
    the names and numbers in its path and on ``size`` only.

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
    if not identities + test_identities:
        raise ValueError("identities=0 and test_identities=0 draw nothing; give one of them")
    if identities >= FIRST_TEST_IDENTITY:
        raise ValueError(f"identities={identities} must be below {FIRST_TEST_IDENTITY}")
    root = Path(root).expanduser().absolute()
    folders = {name: root / find_domain(name).name for name in names}
    settings = f"version {VERSION}: {identities=} {images=} {test_identities=} {size=}\n"
    missing = [name for name, folder in folders.items() if not folder.exists()]
    for name in folders.keys() - set(missing):
        file = folders[name] / _SETTINGS
        found = file.read_text() if file.is_file() else "no record of how it was made"
        if found != settings:
            there = f"{folders[name]} is there, with {found.strip()}, not {settings.strip()}"
            raise FileExistsError(f"{there}; delete it, or choose another root")
    if not missing:
        return folders

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=root) as scratch:
        jobs = [
            job
            for name in missing
            for job in _jobs(Path(scratch, name), identities, images, test_identities, size)
        ]
        for folder in {path.parent for path, _ in jobs}:
            folder.mkdir(parents=True)
        with contextlib.ExitStack() as stack:
            run: Any = map
            if workers > 1:
                spawn = multiprocessing.get_context("spawn")
                pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=spawn))
                run = functools.partial(pool.map, chunksize=32)
            # None leaves the bar out where there is no terminal.
            hidden = None if progress else True
            for _ in tqdm(run(_save, jobs), "drawing pedestrians", len(jobs), disable=hidden):
                pass
        for name in missing:
            Path(scratch, name, _SETTINGS).write_text(settings)
            os.rename(Path(scratch, name), folders[name])
    return folders


def register(folders: dict[str, Path]) -> None:
    """Makes folders known to torchreid by their names, as ``--dataset NAME=PATH`` does."""
    from ddan_torchreid.integration.registry import register_own

    register_own([f"{name}={path}" for name, path in folders.items()])


def _jobs(
    folder: Path, identities: int, images: int, test_identities: int, size: tuple[int, int]
) -> list[_Job]:
    trained = range(1, 1 + identities)
    tested = range(FIRST_TEST_IDENTITY, FIRST_TEST_IDENTITY + test_identities)
    return [
        (folder / part / f"{i:04d}_c{c + 1}_{n}.jpg", (folder.name, i, c, n, *size))
        for part, people, numbers in (
            ("bounding_box_train", trained, range(images)),
            ("query", tested, range(1)),
            ("bounding_box_test", tested, range(1, 3)),
        )
        for c in range(len(DOMAINS[folder.name].scenes))
        for i in people
        for n in numbers
    ]


def _save(job: _Job) -> None:
    path, arguments = job
    draw_image(*arguments).save(path, quality=DOMAINS[arguments[0]].jpeg)
