"""The steps of the paper's augmentation on (H, W, 3) uint8 arrays, as Pillow computes them.

Each gives the pixels of torchvision's transform of the same name on a Pillow image, up to rounding
and in a fraction of the time. None changes its input.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]

# Weights of red, green and blue in Pillow's greyscale.
_GREY = np.array([0.299, 0.587, 0.114])
# Pillow cuts fractions off where OpenCV rounds. A little above one half, or whole numbers fall too.
_TRUNCATE = -0.499


def avoid_threads_in_workers() -> None:
    """Keeps OpenCV from waiting for ever in a process of a ``DataLoader``; elsewhere nothing.

    Its threads do not survive the fork that starts a worker. 0 means none; setting 1 would wait
    for those of the parent to end.
    """
    if torch.utils.data.get_worker_info() is not None:
        cv2.setNumThreads(0)


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Bicubic with antialiasing; the same array where it has this size already."""
    if pixels.shape[:2] == (height, width):
        return pixels
    # A batch of one in memory order (H, W, 3), for which torch has a kernel on bytes.
    batch = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    resized = F.interpolate(batch, size=(height, width), mode="bicubic", antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def shift_flip_rotate(
    pixels: Pixels, padding: int, top: int, left: int, flip: bool, angle: float
) -> Pixels:
    """Zero padding, a crop back to the size, a horizontal flip and a rotation about the centre.

    Pixels that the crop or the rotation brings in are black; the nearest pixel is taken.

    Args:
        pixels: (H, W, 3).
        padding: pixels on each side.
        top, left: corner of the crop in the padded image, 0 to ``2 * padding``.
        flip: mirror left and right.
        angle: degrees, counter-clockwise.
    """
    height, width = pixels.shape[:2]
    padded = cv2.copyMakeBorder(
        pixels, padding, padding, padding, padding, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    crop = padded[top : top + height, left : left + width]
    # Where in the crop a pixel of the result comes from; the flip costs no pass of its own.
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = (width - 1) / 2, (height - 1) / 2
    source = np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])
    if flip:
        source[0] = [-cos, sin, width - 1 - source[0, 2]]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return _bytes(cv2.warpAffine(crop, source, (width, height), flags=flags))


def adjust_brightness(pixels: Pixels, factor: float) -> Pixels:
    """Every channel times the factor."""
    return _bytes(cv2.convertScaleAbs(pixels, alpha=factor, beta=_TRUNCATE))


def adjust_saturation(pixels: Pixels, factor: float) -> Pixels:
    """A mixture with the greyscale image: factor 0 is greyscale, 1 the image as it is."""
    matrix = np.full((3, 4), _TRUNCATE)
    matrix[:, :3] = factor * np.eye(3) + (1 - factor) * _GREY
    return _bytes(cv2.transform(pixels, matrix))


def adjust_hue(pixels: Pixels, shift: float) -> Pixels:
    """Hues moved along the colour circle by a fraction of it, -0.5 to 0.5."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
    height, width = pixels.shape[:2]
    # Over whole rows, because adding to every third byte takes twice as long.
    row = np.tile(np.array([int(shift * 255) % 256, 0, 0], dtype=np.uint8), width)
    hsv.reshape(height, 3 * width).__iadd__(row)
    return _bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


def to_normalised_tensor(pixels: Pixels, scale: Tensor, shift: Tensor) -> Tensor:
    """(3, H, W) float32 tensor of ``pixels * scale + shift``; both are (3, 1, 1)."""
    planes = np.empty((3, *pixels.shape[:2]), dtype=np.uint8)
    cv2.split(pixels, list(planes))  # into the planes; torch's permute takes five times as long
    return torch.from_numpy(planes).float().mul_(scale).add_(shift)


def _bytes(image: Any) -> Pixels:
    # OpenCV's own annotation allows any type of number.
    return image
