"""Whether torchreid can load a published dataset: asked before it tries, and by check-data, doctor.

torchreid finds out late and in other words, writes before it fails, and believes what it has
derived itself: split files and unpacked folders.
"""

from __future__ import annotations

import glob
import os
import shlex
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.io import whosmat

from ...system.files import expanded
from .layouts import list_images, missing
from .published import DATASETS
from .split_files import SPLIT_FILES, UNPACKED, coverage

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USERBLOCKS = (0, 512, 1024, 2048)  # MATLAB's is 512 bytes


class Finding(NamedTuple):
    """Something to tell, with the files (and what is the matter with each) or persons."""

    text: str
    details: Sequence[str] = ()


def obstacles(
    name: str, root: Path, files: Collection[str] = (), absent: bool = True
) -> Iterator[Finding]:
    """What keeps torchreid from loading a published dataset as a whole.

    A dataset that is not there is not reported; see
    :func:`ddan_torchreid.data.datasets.layouts.missing`.

    Args:
        name: a key of ``published.DATASETS``.
        root: the data root.
        files: names of the split files that matter; all when empty.
        absent: whether images matter that a split file lists and that are not there.
    """
    root = Path(os.path.abspath(expanded(root)))
    if missing(name, root):
        return
    if glob.escape(str(root)) != str(root):
        yield Finding(
            f"torchreid cannot load {name} from below a folder with [, * or ? in its name; rename "
            f"{root}, or give --root a link to it"
        )
        return
    problem = _unreadable(name, root)
    if problem:
        yield Finding(problem)
        return
    yield from _splits(name, root, files, absent)


def _derived(name: str, folder: Path) -> bool:
    """Whether torchreid has derived all that it wants to."""
    paths = (*SPLIT_FILES.get(name, ()), *UNPACKED.get(name, ()))
    return all((folder / path).exists() for path in paths)


def _unreadable(name: str, root: Path) -> str:
    folder = root / DATASETS[name].folder
    if not _derived(name, folder):
        if not os.access(folder, os.W_OK):
            return (
                f"torchreid writes {SPLIT_FILES[name][0]} when it first loads {name}, and {folder} "
                "cannot be written to; make it writable, or put the file there"
            )
        wanted = {
            "grid": {"underground_reid/features_and_partitions.mat": "trainIdxAll"},
            "cuhk03": {
                "cuhk03_new_protocol_config_detected.mat": "filelist",
                "cuhk03_new_protocol_config_labeled.mat": "filelist",
                "cuhk03_release/cuhk-03.mat": "",
            },
        }
        for file, variable in wanted.get(name, {}).items():
            if not _is_matlab(folder / file, variable):
                return f"{folder / file} is not {name}'s MATLAB file; download it again"
    if name == "msmt17":
        try:
            list_images(name, root)
        except ValueError as error:
            return str(error)
    archive = folder / "CUHK01.zip"
    if name == "cuhk01" and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            images = [each for each in packed.namelist() if each.endswith(".png")]
        unpacked = [each for each in images if (folder / each).is_file()]
        if len(unpacked) < len(images):
            return (
                f"{folder / 'campus'} holds {len(unpacked)} of the {len(images)} images of "
                f"{archive}; unpack it again"
            )
    return ""


def _is_matlab(file: Path, variable: str) -> bool:
    """Whether a file is MATLAB's and has a variable; without one, MATLAB 7.3's, which is HDF5."""
    if variable:
        try:
            return variable in [name for name, _, _ in whosmat(str(file))]
        except Exception:  # a damaged file may raise anything from the reader
            return False
    with file.open("rb") as content:
        head = content.read(_USERBLOCKS[-1] + len(_HDF5))
    return any(head[start:].startswith(_HDF5) for start in _USERBLOCKS)


def _splits(name: str, root: Path, files: Collection[str], absent: bool) -> Iterator[Finding]:
    folder = root / DATASETS[name].folder
    command = f"ddan-torchreid check-data {name} --root {shlex.quote(str(root))}"
    if not all((folder / each).is_dir() for each in UNPACKED.get(name, ())):
        return  # torchreid unpacks again, and draws again
    for file in (folder / each for each in SPLIT_FILES.get(name, ()) if not files or each in files):
        if not file.is_file():
            continue
        try:
            found = coverage(name, root, file)
        except ValueError as error:
            yield Finding(f"{error}; {command} --fix-splits puts it aside")
            continue
        if found.unlisted:
            yield Finding(
                f"{file} was drawn when {len(found.unlisted)} images of {name} were not there yet; "
                f"{command} --fix-splits puts it aside, for torchreid to draw it again",
                found.unlisted,
            )
        elif found.absent and absent:
            yield Finding(
                f"{len(found.absent)} images of {name} that {file} lists are not there; get the "
                f"whole dataset ({command} shows what is missing)",
                found.absent,
            )
