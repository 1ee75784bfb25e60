"""Decodes image files to arrays; JPEG in little more than half of Pillow's time."""

from __future__ import annotations

import contextlib
import os

import cv2
import numpy as np

from .loose_images import read_image
from .pixels import Pixels, avoid_threads_in_workers

_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # of a JPEG file
_APP1 = b"\xff\xe1"  # starts EXIF and XMP, which may turn the image; not in compressed pixels


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
