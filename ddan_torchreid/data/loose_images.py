"""Image files: those that files, folders and globs stand for, and how every command reads them.

Content decides, not the suffix: whatever Pillow decodes is an image. The suffixes say which files
of a folder are meant to be images.

* Of an image with several pages or frames the first is read.
* 16 bits of grey are reduced to the upper 8, as Pillow reduces 16 bits of colour; torchreid clips
  them to white. Pixels without a known range (floats, 32-bit integers) are refused.
* The orientation in EXIF is applied, as viewers and OpenCV do; torchreid ignores it. No published
  dataset is known to have any.
* What is transparent is shown on white, as viewers show it. torchreid drops the transparency, so
  that pixels count which nobody has seen.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..system.files import expanded
from .pixels import Pixels, avoid_threads_in_workers

#: In lower case. AVIF and JPEG 2000 need a Pillow that was built with them.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2"),
)
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # of a JPEG file
_APP1 = b"\xff\xe1"  # starts EXIF and XMP, which may turn the image; not in compressed pixels


def is_image_name(name: str) -> bool:
    """Whether a file of a folder is meant to be an image: not hidden, with a suffix of one."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


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
    """Reads an RGB image.

    Raises:
        ValueError: the file is missing, broken or no image; one line with the path and the reason.
    """
    try:
        return load(path)
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{printable(path)} is no readable image: {reason}")


def read_pixels(path: str) -> Pixels:
    """The image that `read_image` reads, as an (H, W, 3) uint8 array of RGB.

    OpenCV decodes JPEG, to the same pixels (CMYK: to one level). It does not refuse a file that
    ends too early, so it is only given those that end as a JPEG does, and that have no EXIF or XMP
    to turn them. All others, and all other formats, are Pillow's, which also words the errors.
    Damage in the middle of a JPEG passes unseen in OpenCV, and in most cases in Pillow.

    Raises:
        ValueError: the file is missing, broken or no image; one line with the path and the reason.
    """
    avoid_threads_in_workers()
    # Opening a pipe or a device would wait for ever.
    if os.path.isfile(path):
        with contextlib.suppress(OSError, cv2.error):
            data = np.fromfile(path, dtype=np.uint8)
            content = data.tobytes()
            if content.startswith(_BEGIN) and content.endswith(_END) and _APP1 not in content:
                pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
                if pixels is not None:
                    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    return np.array(read_image(path))


def load(path: str) -> Image.Image:
    """The RGB image of a file; ends on a broken one.

    Raises:
        ValueError: the reason, in one line without the path, why there is none.
    """
    # Opening a pipe or a device would wait for ever.
    if not os.path.isfile(path):
        raise ValueError("it is a directory" if os.path.isdir(path) else "no such file")
    try:
        if not os.path.getsize(path):
            raise ValueError("it is empty")
        with Image.open(path) as image:
            image.load()
            with contextlib.suppress(Exception):  # EXIF that cannot be parsed turns nothing
                ImageOps.exif_transpose(image, in_place=True)
            return _as_rgb(image)
    except UnidentifiedImageError:
        reason = "its content is no known image format"
    except Exception as error:  # each of Pillow's decoders has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
    raise ValueError(reason)


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow has 16-bit PNG and PGM as 32-bit integers in some of its versions.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels (mode {image.mode}) have no known range; save it with 8 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def printable(text: str) -> str:
    """Text with every character that does not print, line breaks included, as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
