"""Images that belong to no dataset: finds them in files, folders and globs, and reads them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

from PIL import Image

from ..system.files import expanded
from .readable import SUFFIXES, is_image_name, load


def find_images(names: Sequence[str]) -> list[str]:
    """The image files that files, folders and globs stand for.

    A folder stands for all files in it and below with the suffix of an image, sorted; hidden ones
    are left out. Links to folders are followed; a folder that can be reached twice is taken once. A
    file that is named or matched by a glob is taken whatever its suffix. ``**`` in a glob stands
    for any folders. A file that is meant twice is taken once.

    Args:
        names: files, folders and globs, with ``~`` for the home folder. What exists is not taken
            for a glob, whatever its name.

    Raises:
        FileNotFoundError: a name stands for nothing.
        ValueError: there is no image.
    """
    found: dict[str, str] = {}
    for name in map(expanded, names):
        places = [name] if os.path.exists(name) else sorted(glob.glob(name, recursive=True))
        if not places:
            raise FileNotFoundError(f"there is no file or folder {printable(name)!r}")
        for place in places:
            for path in sorted(_below(place)) if os.path.isdir(place) else [place]:
                found.setdefault(true_path(path), path)
    if not found:
        raise ValueError(
            f"there is no image in {', '.join(map(printable, names))}; of a folder, files with "
            f"these suffixes are taken: {' '.join(SUFFIXES)}"
        )
    return list(found.values())


def _below(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise error

    # Links come last, so that an image that is there without one has its own path.
    seen, waiting = set(), [folder]
    for start in waiting:
        for place, folders, files in os.walk(start, onerror=fail):
            identity = os.path.realpath(place)
            if identity in seen:  # also where a link leads back
                folders.clear()
                continue
            seen.add(identity)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = (os.path.join(place, name) for name in folders)
            waiting += filter(os.path.islink, below)
            yield from (os.path.join(place, name) for name in files if is_image_name(name))


def true_path(path: str) -> str:
    """The absolute path without ``..``, past links as the system goes; a link to a file stays."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def read_image(path: str) -> Image.Image:
    """Reads an RGB image, as :mod:`ddan_torchreid.data.readable` says.

    Raises:
        ValueError: the file is missing, broken or no image; one line with the path and the reason.
    """
    try:
        return load(path)
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{printable(path)} is no readable image: {reason}")


def printable(text: str) -> str:
    """Text with every character that does not print, line breaks included, as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
