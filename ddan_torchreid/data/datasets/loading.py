"""torchreid's loading of a published dataset: what keeps it from it, and how it is made safe.

torchreid finds out late and in other words, writes before it fails, and believes what it has
derived itself: split files and unpacked folders. A moved data root just works.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shlex
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy.io import whosmat

from ...system.files import expanded
from .layouts import list_images, missing
from .published import DATASETS
from .split_files import SPLIT_FILES, UNPACKED, coverage, relocate, written

_VIEWS = ("cam_a", "cam_b")


class Finding(NamedTuple):
    """Something to report, with the files (and what is the matter with each) or persons."""

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
    if problem := _unreadable(name, root):
        yield Finding(problem)
        return
    folder = root / DATASETS[name].folder
    if not all((folder / each).is_dir() for each in UNPACKED.get(name, ())):
        return  # torchreid unpacks again, and draws again
    command = f"ddan-torchreid check-data {name} --root {shlex.quote(str(root))}"
    for file in written(name, folder):
        if files and file.name not in files:
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


def load(original: Callable[..., Any], name: str, **options: Any) -> Any:
    """A dataset of torchreid; a published one leads to the present data root.

    Its own class writes split files and unpacks images before it fails, and would believe them
    the next time; they are removed.

    Args:
        original: torchreid's ``init_image_dataset``.
        name: of the dataset.
        **options: the dataset's, of which ``root`` is used here.
    """
    if name not in DATASETS:
        return original(name, **options)
    root = os.path.abspath(expanded(options.get("root", "")))
    folder = Path(root, DATASETS[name].folder)
    derived = _derived(name, folder)
    new = [path for path in (*derived, folder) if not path.exists()]
    try:
        dataset = original(name, **options)
    except BaseException:
        for path in new:
            if path.is_file():
                path.unlink()
            elif path == folder:
                with contextlib.suppress(OSError):  # it holds more, or was not made
                    path.rmdir()
            else:
                shutil.rmtree(path, ignore_errors=True)
        raise
    relocate(name, dataset)
    return dataset


def unglobbable(name: str, root: Path) -> str:
    """Why torchreid finds no image of a dataset of its own below a root; empty where it does."""
    if glob.escape(str(root)) == str(root):
        return ""
    return (
        f"torchreid cannot load {name} from below a folder with [, * or ? in its name; rename "
        f"{root}, or give --root a link to it"
    )


def _derived(name: str, folder: Path) -> list[Path]:
    """The split files and unpacked folders that torchreid makes where they are not there."""
    return [folder / each for each in (*SPLIT_FILES.get(name, ()), *UNPACKED.get(name, ()))]


def _unreadable(name: str, root: Path) -> str:
    """Why torchreid cannot read the files, which are there; empty where it can."""
    if problem := unglobbable(name, root):
        return problem
    folder = root / DATASETS[name].folder
    derived = _derived(name, folder)
    derives = not all(path.exists() for path in derived)
    if derives:
        if not os.access(folder, os.W_OK):
            return (
                f"torchreid writes {SPLIT_FILES[name][0]} when it first loads {name}, and {folder} "
                "cannot be written to; make it writable, or put the file there"
            )
        for file in DATASETS[name].required:
            if file.endswith(".mat") and not _is_matlab(name, folder / file):
                return f"{folder / file} is not {name}'s MATLAB file; download it again"
    # Without files of its own torchreid looks at every name.
    if (derives or not derived) and (problem := _unlistable(name, root)):
        return problem
    archive = folder / "CUHK01.zip"
    if derives and name == "cuhk01" and not (folder / "campus").is_dir():
        if not zipfile.is_zipfile(archive):
            return f"{archive} is no whole ZIP file; download it again"
        return ""
    if name == "cuhk01" and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            images = [each for each in packed.namelist() if each.endswith(".png")]
        unpacked = sum((folder / each).is_file() for each in images)
        if unpacked < len(images):
            return (
                f"{folder / 'campus'} holds {unpacked} of the {len(images)} images of {archive}; "
                "unpack it again"
            )
    return ""


def _unlistable(name: str, root: Path) -> str:
    """What torchreid would fail on, or pair wrongly, while it lists the images."""
    try:
        found = list_images(name, root)
    except ValueError as error:
        return str(error)
    if found.misnamed and name != "prid":  # whose names torchreid makes itself
        return (
            f"{len(found.misnamed)} images of {name} have a name that torchreid cannot read, such "
            f"as {found.misnamed[0]}; rename or delete them"
        )
    if empty := [part.part for part in found.counts if not part.images]:
        return f"{name} has no image in {', '.join(empty)}; get the whole dataset"
    if name == "viper":
        sides = [{shot.pid for shot in found.shots if shot.camera == each} for each in _VIEWS]
        if odd := sides[0] ^ sides[1]:
            return (
                f"{len(odd)} persons of viper, such as {min(odd)}, have an image in one of "
                f"{' and '.join(_VIEWS)} only, and torchreid would pair different persons; get the "
                "whole dataset"
            )
    return ""


def _is_matlab(name: str, file: Path) -> bool:
    try:
        variables = {each for each, _, _ in whosmat(str(file))}
        return name != "grid" or "trainIdxAll" in variables
    except NotImplementedError:  # MATLAB 7.3, which is HDF5: its header is as it should be
        with contextlib.suppress(ImportError):
            import h5py  # optional, and takes long to import

            try:
                h5py.File(file, "r").close()
            except OSError:  # its end is missing
                return False
        return True
    except Exception:  # a damaged file may raise anything from the reader
        return False
