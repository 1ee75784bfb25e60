"""Images for the tests of the augmentation."""

from __future__ import annotations

import numpy as np
from PIL import Image
from synthetic import draw_image


def picture(height: int = 90, width: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pedestrian(height: int = 256, width: int = 128, domain: str = "plaza") -> Image.Image:
    return draw_image(domain, 3, 1, 0).resize((width, height))


def difference(a: np.ndarray, b: Image.Image | np.ndarray) -> np.ndarray:
    return np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
