"""Fixed-point drawing and seeded randomness that give the same pixels on every processor."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]
Point = tuple[float, float]
T = TypeVar("T")

TURN = 256
# Angles are integers in 1/256 of a turn. Rounding hides the last-bit differences of libm.
_SINE = [round(math.sin(2 * math.pi * k / TURN), 6) for k in range(TURN)]
_CIRCLE = [(_SINE[(k + 64) % TURN], _SINE[k]) for k in range(0, TURN, 16)]
_SHIFT = 4
FULL_LIGHT = 128


def sine(angle: float) -> float:
    """Sine of an angle in 1/256 turns, from a table."""
    return _SINE[int(angle) % TURN]


def cosine(angle: float) -> float:
    """Cosine of an angle in 1/256 turns, from a table."""
    return _SINE[(int(angle) + 64) % TURN]


def generator(*keys: str | int) -> np.random.Generator:
    """A PCG64 stream that depends on ``keys`` only, not on the process or the call order."""
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, all equally likely."""
    return options[int(rng.random() * len(options))]


def weighted(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float]) -> T:
    """One of ``options`` with probability proportional to ``weights``."""
    threshold = rng.random() * sum(weights)
    for option, weight in zip(options, weights, strict=True):
        threshold -= weight
        if threshold < 0:
            return option
    return options[-1]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of ``second`` and the rest of ``first``."""
    a, b = first, second
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


def scaled(colour: Colour, factor: float) -> Colour:
    """``colour`` made darker or lighter by ``factor``."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def jittered(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """``colour`` with each channel moved by up to ``amount``, kept within 2..253."""
    red, green, blue = (min(253.0, max(2.0, c + rng.uniform(-amount, amount))) for c in colour)
    return (red, green, blue)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """``pixels`` at another size, with the one interpolation that OpenCV makes bit-exact."""
    result = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(result, np.uint8)


def _clip(value: float) -> int:
    return min(255, max(0, int(value + 0.5)))


class Canvas:
    """An RGB picture and a light map (128 = as is, 64 = half as bright), drawn together.

    Args:
        pixels: (H, W, 3) array, changed in place.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.light: Pixels = np.full(pixels.shape[:2], FULL_LIGHT, np.uint8)

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    def polygon(
        self, points: Sequence[Point], colour: Colour | None, light: float | None = 1.0
    ) -> None:
        """Fill a polygon.

        Args:
            points: (x, y) corners in pixels, fractions allowed.
            colour: RGB, or None to leave the colour and change the light only.
            light: brightness factor stored in the light map, or None to leave the light.
        """
        scale = 1 << _SHIFT
        corners = np.array([[round(x * scale), round(y * scale)] for x, y in points], np.int32)
        if colour is not None:
            rgb = (_clip(colour[0]), _clip(colour[1]), _clip(colour[2]))
            cv2.fillPoly(self.pixels, [corners], rgb, cv2.LINE_AA, _SHIFT)
        if light is not None:
            cv2.fillPoly(self.light, [corners], _clip(light * FULL_LIGHT), cv2.LINE_AA, _SHIFT)

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour | None,
        light: float | None = 1.0,
    ) -> None:  # fmt: skip
        """Fill an upright rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(corners, colour, light)

    def ellipse(
        self, centre: Point, rx: float, ry: float, colour: Colour | None, light: float | None = 1.0
    ) -> None:
        """Fill an upright ellipse, as a polygon of 16 corners."""
        corners = [(centre[0] + rx * c, centre[1] + ry * s) for c, s in _CIRCLE]
        self.polygon(corners, colour, light)

    def limb(
        self, start: Point, end: Point, r_start: float, r_end: float, colour: Colour | None,
        light: float | None = 1.0,
    ) -> None:  # fmt: skip
        """Fill a tapered rod with round ends of radius ``r_start`` and ``r_end``."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.sqrt(dx * dx + dy * dy)
        if length < 1e-6:
            self.ellipse(start, max(r_start, r_end), max(r_start, r_end), colour, light)
            return
        ux, uy = dx / length, dy / length
        corners: list[Point] = []
        # Half circles in the rod's own frame: the far end first, then the near one.
        for centre, radius, sign in ((end, r_end, 1.0), (start, r_start, -1.0)):
            for along, across in ((0.0, -1.0), (0.7, -0.7), (1.0, 0.0), (0.7, 0.7), (0.0, 1.0)):
                a, b = sign * along * radius, sign * across * radius
                corners.append((centre[0] + a * ux - b * uy, centre[1] + a * uy + b * ux))
        self.polygon(corners, colour, light)

    def soften_light(self, rng: np.random.Generator) -> None:
        """Blur the light map and make it uneven, as folds of cloth and leaves do."""
        rows, columns = self.light.shape
        soft = self.light
        for part in (2, 4):
            soft = resized(soft, columns // part, rows // part)
        uneven = np.zeros((rows, columns), np.int32)
        for cell, depth in ((rows // 36, 16), (rows // 5, 22)):
            coarse = rng.integers(0, 256, (rows // cell + 1, columns // cell + 1), np.uint8)
            fine = resized(coarse, columns, rows)
            uneven += ((fine.astype(np.int32) - 128) * depth) >> 7
        soft = resized(soft, columns, rows)
        self.light = np.clip(soft + uneven, 0, 255).astype(np.uint8)

    def lit(self) -> Pixels:
        """The picture multiplied by its light map, in integers."""
        product = self.pixels.astype(np.uint16) * self.light[:, :, None]
        return np.minimum(product >> 7, 255).astype(np.uint8)
