"""What can be read as an image, and how: for training, testing, extract, search and check-data.

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
import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

#: In lower case. AVIF and JPEG 2000 need a Pillow that was built with them.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2"),
)


def is_image_name(name: str) -> bool:
    """Whether a file of a folder is meant to be an image: not hidden, with a suffix of one."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


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
