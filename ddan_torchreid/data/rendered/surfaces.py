"""Walls and floors: the two surfaces that every background is made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ddan_torchreid.data.rendered.canvas import Canvas, Colour, jittered, mix, scaled

Strip = Callable[[Canvas, np.random.Generator, Colour, float, float, float], float]
"""Arguments: canvas, randomness, colour, left edge, foot of the wall, pixels per metre. Draws the
next upright strip of a wall and returns its width in pixels."""

_SKY: Colour = (196, 214, 232)
_PANE: Colour = (84, 98, 112)
_LIT_PANE: Colour = (240, 214, 150)


def _house(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width, top = rng.uniform(1.6, 3.4) * m, y - rng.uniform(2.2, 4.2) * m
    canvas.box(x, top, x + width, y, jittered(rng, colour, 26), rng.uniform(0.8, 1.05))
    for row in range(5):
        pane = top + (0.25 + 0.75 * row) * m
        canvas.box(x + 0.3 * m, pane, x + width - 0.3 * m, min(y, pane + 0.35 * m), _PANE, 0.95)
    return width


def _windows(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    for row in range(3):
        low = y - (0.9 + 1.7 * row) * m
        glass = jittered(rng, _LIT_PANE if rng.random() < 0.2 else _PANE, 14)
        canvas.box(x + 0.35 * m, low - 1.15 * m, x + 1.15 * m, low, scaled(colour, 1.15))
        canvas.box(x + 0.42 * m, low - 1.08 * m, x + 1.08 * m, low - 0.06 * m, glass)
        canvas.box(x + 0.72 * m, low - 1.08 * m, x + 0.78 * m, low, scaled(colour, 1.1))
    return 1.5 * m


def _foliage(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    for _ in range(3):
        centre = (x, y - rng.uniform(0.0, 2.4) * m)
        canvas.ellipse(centre, 0.5 * m, 0.45 * m, scaled(colour, rng.uniform(0.6, 1.15)))
    return rng.uniform(0.3, 0.6) * m


def _bricks(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    for row in range(12):
        left, top = x + 0.25 * m * (row % 2), y - 0.26 * m * (row + 1)
        shade = scaled(colour, rng.uniform(0.82, 1.12))
        canvas.box(left, top, left + 0.46 * m, top + 0.22 * m, shade)
    return 0.5 * m


def _panel(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width, joint = 1.25 * m, 0.05 * m
    canvas.box(x, 0, x + width - joint, y, scaled(colour, rng.uniform(0.93, 1.05)))
    canvas.box(x + width - joint, 0, x + width, y, scaled(colour, 0.7))
    return width


def _wave(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width, top = rng.uniform(0.8, 1.8) * m, y - rng.uniform(0.05, 1.3) * m
    canvas.box(x, top, x + width, top + 0.06 * m, scaled(colour, rng.uniform(0.8, 1.4)))
    return width


def _plaster(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width = rng.uniform(2.0, 4.0) * m
    canvas.box(x, 0, x + width, y, scaled(colour, rng.uniform(0.94, 1.06)))
    return width


def _sea(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    """Waves that stay below the horizon."""
    width, top = rng.uniform(0.5, 1.1) * m, y - rng.uniform(0.05, 0.85) * m
    canvas.box(x, top, x + width, top + 0.05 * m, scaled(colour, rng.uniform(0.8, 1.4)))
    return 0.7 * width


def _railing(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width, steel = 1.3 * m, (70, 76, 82)
    _sea(canvas, rng, colour, x, y, m)
    _sea(canvas, rng, colour, x, y, m)
    for rail in (1.1, 0.75, 0.4):
        canvas.box(x, y - rail * m, x + width, y - (rail - 0.05) * m, steel)
    canvas.box(x, y - 1.15 * m, x + 0.09 * m, y, steel)
    return width


def _concrete(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    """Bare concrete with a coloured band, a pipe and a lamp below the ceiling."""
    width = 2.4 * m
    canvas.box(x, 0, x + width, y, scaled(colour, rng.uniform(0.9, 1.04)))
    canvas.box(x, y - 1.25 * m, x + width, y - 0.95 * m, (170, 60, 48))
    canvas.box(x, y - 2.35 * m, x + width, y - 2.25 * m, scaled(colour, 0.6))
    canvas.box(x + 0.6 * m, y - 2.2 * m, x + 1.7 * m, y - 2.1 * m, (250, 250, 240), 1.4)
    return width


def _books(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, x: float, y: float, m: float
) -> float:
    width = 1.2 * m
    canvas.box(x, 0, x + width, y, colour)
    for row in range(5):
        low, left = y - (0.2 + 0.5 * row) * m, x + 0.08 * m
        canvas.box(left, low - 0.42 * m, x + width - 0.06 * m, low, scaled(colour, 0.45))
        while left < x + width - 0.2 * m:
            thick, tall = rng.uniform(0.06, 0.14) * m, rng.uniform(0.24, 0.4) * m
            back = jittered(rng, (128, 92, 70), 64)
            canvas.box(left, low - tall, left + thick, low, back, 0.9)
            left += thick + 0.012 * m
    return width


_STRIPS: dict[str, Strip] = {
    "houses": _house,
    "windows": _windows,
    "foliage": _foliage,
    "bricks": _bricks,
    "panels": _panel,
    "water": _wave,
    "plaster": _plaster,
    "sea": _sea,
    "railing": _railing,
    "concrete": _concrete,
    "books": _books,
}


def draw_wall(
    canvas: Canvas, rng: np.random.Generator, kind: str, colour: Colour, line: float, m: float
) -> None:
    """Fill the picture down to row ``line``; ``m`` is pixels per metre at the wall."""
    canvas.box(0, 0, canvas.width, line, colour)
    if kind in ("houses", "foliage", "water", "sea", "railing"):
        canvas.box(0, 0, canvas.width, line * 0.62, mix(_SKY, colour, 0.15), 1.1)
    x = -rng.uniform(0, 2) * m
    while x < canvas.width:
        x += _STRIPS[kind](canvas, rng, colour, x, line, m)
    if kind in ("plaster", "panels", "bricks"):  # skirting board
        canvas.box(0, line - 0.16 * m, canvas.width, line, scaled(colour, 0.62))


def draw_floor(
    canvas: Canvas, rng: np.random.Generator, kind: str, colour: Colour, line: float, m: float
) -> None:
    """Fill the picture below row ``line``; ``m`` is pixels per metre at the wall."""
    width, height = canvas.width, canvas.height
    for band in range(12):  # lighter towards the camera
        top = line + (height - line) * band / 12
        canvas.box(0, top, width, height, scaled(colour, 0.86 + 0.018 * band))
    if kind in ("paving", "tiles", "planks", "platform"):
        _joints(canvas, kind, colour, line, m)
    if kind == "platform":
        canvas.box(0, line + 0.1 * m, width, line + 0.32 * m, (216, 186, 60))
        canvas.box(0, line, width, line + 0.08 * m, (226, 226, 224))
    elif kind == "road":
        canvas.box(0, line, width, line + 0.5 * m, scaled(colour, 1.35))
        canvas.box(0, line + 0.5 * m, width, line + 0.58 * m, scaled(colour, 0.6))
        x = -rng.uniform(0, 2) * m
        while x < width:
            canvas.box(x, line + 1.7 * m, x + 1.6 * m, line + 1.86 * m, (224, 222, 210))
            x += 3.0 * m
    elif kind == "wet":
        _puddles(canvas, rng, colour, line, m)
    elif kind == "bays":
        for x in range(-int(2 * width), 3 * width, int(2.6 * m)):
            low = width / 2 + (x - width / 2) * 2.6
            corners = [(x, line), (x + 0.1 * m, line), (low + 0.3 * m, height), (low, height)]
            canvas.polygon(corners, (214, 212, 200))
    elif kind in ("grass", "snow", "sand"):
        _ground(canvas, rng, kind, colour, line, m)


def _joints(canvas: Canvas, kind: str, colour: Colour, line: float, m: float) -> None:
    """Joints between slabs: rows that get wider towards the camera, and lines to the horizon."""
    width, height = canvas.width, canvas.height
    joint = scaled(colour, 0.78 if kind in ("paving", "planks") else 0.86)
    y, gap = line, 0.1 * m
    while y < height and kind != "planks":
        canvas.box(0, y, width, y + 0.025 * m + gap * 0.06, joint)
        y, gap = y + gap, gap * 1.22
    x, step = -2.0 * width, (0.45 if kind == "planks" else 0.7) * m
    while x < 3.0 * width:
        low = width / 2 + (x - width / 2) * 2.6
        corners = [(x, line), (x + 0.03 * m, line), (low + 0.1 * m, height), (low, height)]
        canvas.polygon(corners, joint)
        x += step


def _ground(
    canvas: Canvas, rng: np.random.Generator, kind: str, colour: Colour, line: float, m: float
) -> None:
    """A trodden path and tufts, on grass, snow or sand."""
    width, height = canvas.width, canvas.height
    path: Colour = {"grass": (176, 160, 132), "snow": (186, 190, 198), "sand": (186, 164, 124)}[
        kind
    ]
    start = rng.uniform(0.1, 0.6) * width
    far = [(start, line), (start + 1.2 * m, line)]
    canvas.polygon([*far, (start + 1.1 * width, height), (start - 0.2 * width, height)], path)
    for _ in range(160):
        x, y = rng.uniform(0, width), line + (height - line) * rng.random()
        tuft = scaled(colour, rng.uniform(0.75, 1.2))
        tip = (x + rng.uniform(-0.3, 0.3) * m, y - 0.03 * m)
        canvas.limb((x, y), tip, 0.03 * m, 0.02 * m, tuft)


def _puddles(
    canvas: Canvas, rng: np.random.Generator, colour: Colour, line: float, m: float
) -> None:
    """Water on the ground, which mirrors the sky and grows towards the camera."""
    for _ in range(46):
        depth = rng.random()
        centre = (rng.uniform(0, canvas.width), line + (canvas.height - line) * depth)
        rx = rng.uniform(0.3, 0.9) * m * (0.6 + depth)
        canvas.ellipse(centre, rx, 0.16 * rx, mix(colour, _SKY, rng.uniform(0.3, 0.7)))
