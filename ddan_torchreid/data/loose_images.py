"""Images that belong to no dataset: finds them in files, folders and globs, and reads them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError
from torchvision.datasets.folder import IMG_EXTENSIONS

from ..system.files import expanded


def find_images(names: Sequence[str]) -> list[str]:
    """The image files that files, folders and globs stand for.

    A folder stands for all files in it and below with the suffix of an image, sorted; hidden ones
    are left out and links to folders are not followed. A file that is named or matched by a glob is
    taken whatever its suffix. ``**`` in a glob stands for any folders. A file that is meant twice
    is taken once.

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
                found.setdefault(os.path.abspath(path), path)
    if not found:
        raise ValueError(
            f"there is no image in {', '.join(map(printable, names))}; of a folder, files with "
            f"these suffixes are taken: {' '.join(IMG_EXTENSIONS)}"
        )
    return list(found.values())


def _below(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(IMG_EXTENSIONS) and not name.startswith("."):
                yield os.path.join(place, name)


def read_image(path: str) -> Image.Image:
    """Reads an RGB image as torchreid does, but ends on a broken file and keeps 16-bit greyscale.

    torchreid clips 16-bit greyscale to white; here the upper 8 bits are taken, which is what Pillow
    does with 16-bit colour. The orientation in EXIF is ignored, as by torchreid.

    Raises:
        ValueError: the file is missing, broken or no image; one line with the path and the reason.
    """
    try:
        # Opening a pipe or a device would wait for ever.
        if not os.path.isfile(path):
            raise ValueError("no such file")
        if not os.path.getsize(path):
            raise ValueError("it is empty")
        with Image.open(path) as image:
            return _as_rgb(image)
    except UnidentifiedImageError:
        reason = "its content is no known image format"
    except Exception as error:  # each of Pillow's decoders has errors of its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
    raise ValueError(f"{printable(path)} is no readable image: {reason}")


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow has 16-bit PNG and PGM as 32-bit integers in some of its versions.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels (mode {image.mode}) have no known range; save it with 8 bits")
    return image.convert("RGB")


def printable(text: str) -> str:
    """Text with every character that does not print, line breaks included, as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
