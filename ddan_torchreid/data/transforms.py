"""The training and test transforms of the paper (Sec. 4.1), as the authors' release sets them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as T

from . import pixels
from .pixels import Pixels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LARGEST = 4096
"""Side of an image in pixels, beyond any use; a slip of the hand would take all memory."""

MAX_DEGREES = 5.0
BRIGHTNESS = SATURATION = (0.5, 2.0)
MAX_HUE = 0.1

_COLOUR_STEPS = {
    "brightness": pixels.adjust_brightness,
    "saturation": pixels.adjust_saturation,
    "hue": pixels.adjust_hue,
}
_ORDERS = list(permutations(_COLOUR_STEPS))


class Draw(NamedTuple):
    """Everything random about one training image.

    Attributes:
        top, left: corner of the crop in the padded image, pixels.
        flip: mirror left and right.
        angle: of the rotation, degrees, counter-clockwise.
        brightness, saturation: factors.
        hue: shift along the colour circle, a fraction of it.
        order: of the three steps of colour, by name.
    """

    top: int
    left: int
    flip: bool
    angle: float
    brightness: float
    saturation: float
    hue: float
    order: tuple[str, ...]


class PaperAugmentation:
    """The paper's training transform, in about a third of the time of torchvision's on Pillow.

    In this order: bicubic resize, zero padding on each side and a random crop back to the size,
    horizontal flip with probability 0.5, rotation by up to 5 degrees either way, and factors of
    brightness and saturation in [0.5, 2] and a hue shift in [-0.1, 0.1] (of the colour circle) in
    random order; then normalisation.

    Sizes are in pixels; ``mean`` and ``std`` are of each channel, in [0, 1].
    """

    def __init__(
        self, height: int, width: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.height = height
        self.width = width
        self.padding = max(1, round(10 * height / 256))
        deviation = torch.tensor(std, dtype=torch.float64).reshape(3, 1, 1)
        self._scale = (1 / (255 * deviation)).float()
        self._shift = (-torch.tensor(mean).reshape(3, 1, 1) / deviation).float()

    def __call__(self, image: Image.Image | Pixels) -> Tensor:
        """(3, height, width) float32 tensor of an RGB image or (H, W, 3) uint8 array."""
        pixels.avoid_threads_in_workers()
        array = np.array(image) if isinstance(image, Image.Image) else image
        return self.apply(array, self.draw())

    def draw(self) -> Draw:
        """Draws from torch's global generator, once, for that takes as long as a step of colour."""
        top, left, flip, angle, brightness, saturation, hue, order = torch.rand(8).tolist()
        return Draw(
            top=int(top * (2 * self.padding + 1)),
            left=int(left * (2 * self.padding + 1)),
            flip=flip < 0.5,
            angle=_between(-MAX_DEGREES, MAX_DEGREES, angle),
            brightness=_between(*BRIGHTNESS, brightness),
            saturation=_between(*SATURATION, saturation),
            hue=_between(-MAX_HUE, MAX_HUE, hue),
            order=_ORDERS[int(order * len(_ORDERS))],
        )

    def apply(self, array: Pixels, draw: Draw) -> Tensor:
        """The (3, height, width) tensor of an (H, W, 3) array under these draws."""
        array = pixels.resize(array, self.height, self.width)
        array = pixels.shift_flip_rotate(
            array, self.padding, draw.top, draw.left, draw.flip, draw.angle
        )
        for step in draw.order:
            array = _COLOUR_STEPS[step](array, getattr(draw, step))
        return pixels.to_normalised_tensor(array, self._scale, self._shift)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def ddan_transforms(
    height: int,
    width: int,
    norm_mean: Sequence[float] | None = None,
    norm_std: Sequence[float] | None = None,
) -> tuple[PaperAugmentation, T.Compose]:
    """Transforms from an RGB PIL image to a normalised (3, height, width) float32 tensor.

    Training: :class:`PaperAugmentation`, which takes arrays as well. Test: bicubic resize only.

    The release pads 10 pixels at 256 x 128; other sizes pad in proportion to their height, at
    least 1 pixel, so that the shift is the same part of a person.

    Sizes are in pixels; mean and deviation are of each channel, in [0, 1], ImageNet's by default.

    Returns:
        training and test transform; the training one draws from torch's global generator.

    Raises:
        ValueError: a size is no whole number of pixels from 1 to 4096.
    """
    if not all(isinstance(size, int) and 1 <= size <= LARGEST for size in (height, width)):
        raise ValueError(
            f"height={height!r}, width={width!r} is no image size: write 1 to {LARGEST} each"
        )
    mean = IMAGENET_MEAN if norm_mean is None else norm_mean
    std = IMAGENET_STD if norm_std is None else norm_std
    resize = T.Resize((height, width), interpolation=T.InterpolationMode.BICUBIC)
    test = T.Compose([resize, T.ToTensor(), T.Normalize(mean, std)])
    return PaperAugmentation(height, width, mean, std), test
