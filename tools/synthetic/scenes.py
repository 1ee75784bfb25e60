"""The places: a wall, the ground in front of it and what stands there."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .domains import Colour, generator, jittered, whole
from .people import pick

WIDE = 2.2
"""Width of a place relative to its height: an image shows about a quarter of it."""

HORIZON = 0.5
"""Height of the line between wall and ground in the picture of a place, from its top."""

_GOODS = ((200, 60, 60), (60, 110, 180), (230, 190, 80), (90, 160, 110), (240, 236, 226))


class Place:
    """A picture in which lengths are shares of its height."""

    def __init__(self, rows: int, rng: np.random.Generator) -> None:
        self.rows, self.rng = rows, rng
        self.picture = Image.new("RGB", (round(WIDE * rows), rows))
        self.pen = ImageDraw.Draw(self.picture)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        scaled = [(x * self.rows, y * self.rows) for x, y in points]
        self.pen.polygon(scaled, fill=whole(colour))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        n = self.rows
        edges = (n * (x - rx), n * (y - ry), n * (x + rx), n * (y + ry))
        self.pen.ellipse(edges, fill=whole(colour))

    def columns(self, width: float) -> list[float]:
        """Left edges of parts of equal width, of which the first may be cut."""
        return list(np.arange(-width * self.rng.random(), WIDE, width))


# ---- walls: from the top to the horizon ------------------------------------------------------


def _facade(place: Place, colour: Colour, lit: float = 0) -> None:
    place.box(0, 0, WIDE, HORIZON, colour)
    place.box(0, HORIZON - 0.06, WIDE, HORIZON, _shade(colour, 0.75))
    for x in place.columns(0.2):
        for y in (-0.02, 0.22):
            glass = (236, 196, 112) if place.rng.random() < lit else (92, 112, 130)
            place.box(x + 0.035, y, x + 0.145, y + 0.16, _shade(colour, 0.8))
            place.box(x + 0.045, y + 0.01, x + 0.135, y + 0.15, jittered(place.rng, glass, 20))


def _trees(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, 0.3, (186, 206, 226))
    place.box(0, 0.26, WIDE, HORIZON, _shade(colour, 0.85))
    for x in place.columns(0.34):
        place.box(x + 0.15, 0.1, x + 0.19, HORIZON + 0.03, (84, 66, 50))
        for _ in range(12):
            dx, dy = place.rng.uniform(-0.13, 0.13, 2)
            place.oval(x + 0.17 + dx, 0.12 + dy, 0.07, 0.06, jittered(place.rng, colour, 20))


def _bare_trees(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, HORIZON, (206, 212, 220))
    place.box(0, 0.2, WIDE, HORIZON, colour)
    for x in place.columns(0.37):
        place.box(x, 0, x + 0.03, HORIZON + 0.05, (70, 62, 58))
        for dx in (-0.1, 0.12):
            place.polygon([(x, 0.25), (x + 0.03, 0.25), (x + dx, 0.02)], (70, 62, 58))


def _shops(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, HORIZON, colour)
    for x in place.columns(0.42):
        place.box(x + 0.02, 0, x + 0.4, 0.07, jittered(place.rng, pick(place.rng, _GOODS), 16))
        place.box(x + 0.03, 0.1, x + 0.39, HORIZON - 0.03, (250, 240, 214))
        for dx in (0.05, 0.13, 0.21, 0.29):
            for y in (0.16, 0.31):
                goods = jittered(place.rng, pick(place.rng, _GOODS), 26)
                place.box(x + dx, y, x + dx + 0.06, y + place.rng.uniform(0.06, 0.13), goods)


def _panels(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, HORIZON, colour)
    for x in place.columns(0.3):
        place.box(x, 0, x + 0.012, HORIZON, _shade(colour, 0.7))
        poster = jittered(place.rng, pick(place.rng, _GOODS), 20)
        place.box(x + 0.06, 0.12, x + 0.24, 0.32, poster)
    place.box(0, HORIZON - 0.03, WIDE, HORIZON, _shade(colour, 0.6))


def _glass(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, HORIZON, (196, 218, 236))
    place.box(0, 0.36, WIDE, HORIZON, (150, 156, 158))
    for x in place.columns(0.24):
        place.box(x, 0, x + 0.02, HORIZON, colour)


def _train(place: Place, colour: Colour) -> None:
    place.box(0, 0, WIDE, HORIZON, colour)
    place.box(0, 0.3, WIDE, 0.35, (212, 62, 50))
    for x in place.columns(0.28):
        place.box(x + 0.03, 0.08, x + 0.2, 0.26, (52, 62, 74))
        place.box(x + 0.23, 0.04, x + 0.235, HORIZON, _shade(colour, 0.6))
    place.box(0, HORIZON - 0.04, WIDE, HORIZON, (40, 40, 44))


# ---- ground: from the horizon to the bottom --------------------------------------------------


def _slabs(place: Place, colour: Colour) -> None:
    """Joints that run to a vanishing point."""
    place.box(0, HORIZON, WIDE, 1, colour)
    joint, middle = _shade(colour, 0.82), WIDE / 2
    for depth in (0.02, 0.05, 0.1, 0.17, 0.27, 0.4):
        place.box(0, HORIZON + depth, WIDE, HORIZON + depth * 1.05 + 0.002, joint)
    for x in np.arange(-WIDE, 2 * WIDE, 0.22):
        top = middle + (x - middle) * 0.5
        place.polygon([(top, HORIZON), (top + 0.003, HORIZON), (x + 0.008, 1), (x, 1)], joint)


def _asphalt(place: Place, colour: Colour) -> None:
    place.box(0, HORIZON, WIDE, 1, colour)
    place.box(0, HORIZON, WIDE, HORIZON + 0.05, (150, 148, 142))
    place.box(0, HORIZON + 0.05, WIDE, HORIZON + 0.065, (92, 90, 88))
    for x in place.columns(0.5):
        place.box(x, 0.78, x + 0.24, 0.81, (206, 204, 196))


def _specks(place: Place, colour: Colour) -> None:
    """Grass, gravel or trodden snow."""
    place.box(0, HORIZON, WIDE, 1, colour)
    for _ in range(500):
        x, y = place.rng.uniform(0, WIDE), HORIZON + 0.5 * place.rng.random() ** 1.4
        size = 0.004 + 0.02 * (y - HORIZON)
        place.oval(x, y, 2.4 * size, size, _shade(colour, place.rng.uniform(0.85, 1.1)))


def _polished(place: Place, colour: Colour) -> None:
    """A floor that mirrors the wall."""
    wall = place.picture.crop((0, 0, place.picture.width, round(HORIZON * place.rows)))
    floor = Image.new("RGB", wall.size, whole(colour))
    mirrored = Image.blend(floor, wall.transpose(Image.Transpose.FLIP_TOP_BOTTOM), 0.3)
    place.picture.paste(mirrored, (0, round(HORIZON * place.rows)))


def _kerb(place: Place, colour: Colour) -> None:
    """A platform with its yellow line."""
    _slabs(place, colour)
    place.box(0, HORIZON + 0.03, WIDE, HORIZON + 0.06, (226, 190, 60))


# ---- what stands there -----------------------------------------------------------------------


def _car(place: Place, x: float) -> None:
    y, colour = HORIZON + 0.07, jittered(place.rng, pick(place.rng, _GOODS), 20)
    roof = [(x + 0.06, y - 0.08), (x + 0.13, y - 0.16), (x + 0.3, y - 0.16), (x + 0.37, y - 0.08)]
    place.polygon(roof, _shade(colour, 0.7))
    place.box(x, y - 0.09, x + 0.46, y, colour)
    for wheel in (0.1, 0.36):
        place.oval(x + wheel, y, 0.04, 0.04, (28, 28, 30))
        place.oval(x + wheel, y, 0.018, 0.018, (150, 150, 154))


def _bench(place: Place, x: float) -> None:
    for y in (HORIZON - 0.04, HORIZON + 0.01):
        place.box(x, y, x + 0.34, y + 0.03, (124, 88, 56))
    for leg in (0.03, 0.29):
        place.box(x + leg, HORIZON, x + leg + 0.02, HORIZON + 0.1, (60, 60, 64))


def _lamp(place: Place, x: float) -> None:
    place.box(x, 0, x + 0.025, HORIZON + 0.08, (56, 60, 62))


def _shade(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255.0, c * light) for c in colour)
    return red, green, blue


# The wall and its colour, the ground and its colour, and what stands before the wall.
SCENES: dict[str, tuple[Any, Any, Any, Any, Any]] = {
    "plaza": (_facade, (214, 186, 140), _slabs, (200, 190, 170), (_bench, _lamp, _lamp)),
    "facade": (_facade, (206, 150, 118), _asphalt, (126, 124, 122), (_car, _lamp, _car)),
    "lawn": (_trees, (86, 128, 66), _specks, (112, 146, 80), (_bench, _lamp)),
    "shops": (_shops, (206, 186, 160), _polished, (216, 202, 180), (_bench, _lamp)),
    "hall": (_panels, (186, 188, 186), _polished, (176, 176, 174), (_bench, _lamp)),
    "platform": (_train, (176, 182, 190), _kerb, (136, 136, 138), (_bench, _lamp)),
    "street": (_facade, (168, 162, 154), _asphalt, (104, 106, 110), (_car, _lamp)),
    "snow": (_bare_trees, (132, 116, 108), _specks, (232, 236, 242), (_car, _lamp)),
    "gate": (_glass, (110, 116, 122), _specks, (96, 104, 128), (_bench, _lamp)),
    "night": (partial(_facade, lit=0.4), (66, 60, 72), _asphalt, (58, 58, 66), (_car, _lamp)),
}


@lru_cache(maxsize=32)
def picture_of(scene: str, domain: str, camera: int, rows: int) -> Image.Image:
    """What a camera films when nobody is there; not to be changed.

    Returns:
        RGB, ``rows`` high and ``WIDE`` times as wide; its lower half is the ground.
    """
    wall, wall_colour, ground, ground_colour, things = SCENES[scene]
    rng = generator("place", domain, camera)
    place = Place(rows, rng)
    wall(place, jittered(rng, wall_colour, 16))
    ground(place, jittered(rng, ground_colour, 12))
    for number in range(4):
        thing = things[number % len(things)]
        thing(place, (number + rng.uniform(0.1, 0.6)) * WIDE / 4)
    return place.picture
