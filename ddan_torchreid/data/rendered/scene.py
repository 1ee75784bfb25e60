"""Backgrounds: a wide picture of a place for each camera, of which every image shows a part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ddan_torchreid.data.rendered.canvas import (
    EXACT,
    Canvas,
    Colour,
    Pixels,
    generator,
    jittered,
    mix,
    pick,
    scaled,
)
from ddan_torchreid.data.rendered.props import PROPS


@dataclass(frozen=True)
class Scene:
    """A kind of place: ``floor`` and ``wall`` name a pattern, ``props`` what stands there."""

    floor: str
    floor_colour: Colour
    wall: str
    wall_colour: Colour
    props: tuple[str, ...]
    density: float = 1.0


SCENES: dict[str, Scene] = {
    "plaza": Scene("paving", (196, 186, 168), "blocks", (206, 190, 160), ("lamp", "bench", "tree", "bin", "bicycle")),
    "facade": Scene("paving", (172, 164, 152), "windows", (214, 196, 162), ("door", "car", "lamp", "poster", "tree")),
    "lawn": Scene("grass", (104, 140, 70), "trees", (92, 122, 84), ("tree", "bush", "bench", "bush"), 1.3),
    "brick": Scene("paving", (150, 146, 134), "brick", (156, 88, 66), ("bicycle", "bush", "door", "bench")),
    "shops": Scene("tiles", (214, 198, 168), "plain", (188, 164, 128), ("shop_window", "shop_window", "plant"), 1.2),
    "atrium": Scene("tiles", (206, 192, 170), "panels", (216, 206, 186), ("plant", "seats", "pillar", "poster")),
    "platform": Scene("platform", (140, 144, 148), "panels", (112, 120, 128), ("train", "pillar", "train", "seats")),
    "concourse": Scene("tiles", (158, 162, 166), "panels", (150, 156, 160), ("poster", "pillar", "seats", "door", "bin")),
    "street": Scene("road", (118, 118, 120), "windows", (164, 150, 136), ("car", "car", "lamp", "tree", "door", "bin")),
    "interior": Scene("planks", (150, 110, 74), "plain", (190, 172, 148), ("sofa", "shelf", "plant", "door", "poster")),
    "corridor": Scene("tiles", (170, 176, 172), "panels", (196, 202, 196), ("door", "poster", "seats", "bin"), 0.8),
    "quay": Scene("paving", (150, 150, 148), "water", (96, 120, 140), ("boat", "lamp", "boat", "bench"), 0.9),
    "snow": Scene("snow", (226, 230, 236), "trees", (176, 184, 190), ("bare_tree", "car", "bare_tree", "bench", "lamp"), 0.9),
    "tunnel": Scene("tiles", (126, 120, 108), "brick", (176, 172, 150), ("poster", "pillar", "poster", "seats"), 1.1),
    "night": Scene("road", (92, 92, 98), "windows", (84, 78, 84), ("lamp", "car", "shop_window", "bin", "poster"), 1.1),
}  # fmt: skip


def _wall(canvas: Canvas, rng: np.random.Generator, kind: str, colour: Colour, line: float, m: float) -> None:
    """The upper part of the picture, down to ``line``; ``m`` is pixels per metre there."""
    width = canvas.width
    canvas.box(0, 0, width, line, colour)
    if kind in ("blocks", "trees", "water"):
        canvas.box(0, 0, width, line * 0.62, mix((196, 214, 232), colour, 0.15), 1.1)
    x = -rng.uniform(0, 2) * m
    while x < width:
        if kind == "blocks":
            step, top = rng.uniform(1.6, 3.4) * m, line - rng.uniform(2.2, 4.2) * m
            canvas.box(x, top, x + step, line, jittered(rng, colour, 26), rng.uniform(0.8, 1.05))
            for row in range(5):
                y = top + (0.25 + 0.75 * row) * m
                canvas.box(x + 0.3 * m, y, x + step - 0.3 * m, min(line, y + 0.35 * m), (110, 124, 136), 0.85)
        elif kind == "windows":
            step = 1.5 * m
            for row in range(3):
                low = line - (0.9 + 1.7 * row) * m
                glass = (240, 214, 150) if rng.random() < 0.2 else (84, 98, 112)
                canvas.box(x + 0.35 * m, low - 1.15 * m, x + 1.15 * m, low, scaled(colour, 1.15))
                canvas.box(x + 0.42 * m, low - 1.08 * m, x + 1.08 * m, low - 0.06 * m, jittered(rng, glass, 14))
                canvas.box(x + 0.72 * m, low - 1.08 * m, x + 0.78 * m, low, scaled(colour, 1.1))
        elif kind == "trees":
            step = rng.uniform(0.3, 0.6) * m
            for _ in range(3):
                y = line - rng.uniform(0.0, 2.4) * m
                canvas.ellipse((x, y), 0.5 * m, 0.45 * m, scaled(colour, rng.uniform(0.6, 1.15)))
        elif kind == "brick":
            step = 0.5 * m
            for row in range(12):
                y, shift = line - 0.26 * m * (row + 1), 0.25 * m * (row % 2)
                canvas.box(x + shift, y, x + shift + 0.46 * m, y + 0.22 * m, scaled(colour, rng.uniform(0.82, 1.12)))
        elif kind == "panels":
            step = 1.25 * m
            canvas.box(x, 0, x + step - 0.05 * m, line, scaled(colour, rng.uniform(0.93, 1.05)))
            canvas.box(x + step - 0.05 * m, 0, x + step, line, scaled(colour, 0.7))
        elif kind == "water":
            step = rng.uniform(0.8, 1.8) * m
            y = line - rng.uniform(0.05, 1.3) * m
            canvas.box(x, y, x + step, y + 0.06 * m, scaled(colour, rng.uniform(0.8, 1.4)))
        else:
            step = rng.uniform(2.0, 4.0) * m
            canvas.box(x, 0, x + step, line, scaled(colour, rng.uniform(0.94, 1.06)))
    # (the step of the last branch taken moves x below)
        x += step
    if kind in ("plain", "panels", "brick"):
        canvas.box(0, line - 0.16 * m, width, line, scaled(colour, 0.62))


def _floor(canvas: Canvas, rng: np.random.Generator, kind: str, colour: Colour, line: float, m: float) -> None:
    width, height = canvas.width, canvas.height
    bands = 12
    for band in range(bands):
        top = line + (height - line) * band / bands
        canvas.box(0, top, width, height, scaled(colour, 0.86 + 0.018 * band))
    joint = scaled(colour, 0.78 if kind in ("paving", "planks") else 0.86)
    if kind in ("paving", "tiles", "planks", "platform"):
        y, gap = line, 0.1 * m
        while y < height and kind != "planks":
            canvas.box(0, y, width, y + 0.025 * m + gap * 0.06, joint)
            y, gap = y + gap, gap * 1.22
        x, step = -2.0 * width, (0.45 if kind == "planks" else 0.7) * m
        while x < 3.0 * width:
            low = width / 2 + (x - width / 2) * 2.6
            canvas.polygon([(x, line), (x + 0.03 * m, line), (low + 0.1 * m, height), (low, height)], joint)
            x += step
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
    elif kind in ("grass", "snow"):
        path = (176, 160, 132) if kind == "grass" else (186, 190, 198)
        start = rng.uniform(0.1, 0.6) * width
        canvas.polygon([(start, line), (start + 1.2 * m, line), (start + 2.2 * width * 0.5, height),
                        (start - 0.2 * width, height)], path)  # fmt: skip
        for _ in range(160):
            x, y = rng.uniform(0, width), line + (height - line) * rng.random()
            tuft = scaled(colour, rng.uniform(0.75, 1.2))
            canvas.limb((x, y), (x + rng.uniform(-0.3, 0.3) * m, y - 0.03 * m), 0.03 * m, 0.02 * m, tuft)


def _grain(pixels: Pixels, rng: np.random.Generator, amount: int, cell: int) -> Pixels:
    """Uneven surfaces: coarse random brightness of ``cell`` pixels, at most ``amount`` levels."""
    height, width = pixels.shape[:2]
    coarse = rng.integers(0, 256, (height // cell + 2, width // cell + 2), np.uint8)
    fine = cv2.resize(coarse, (width, height), interpolation=EXACT)
    change = ((fine.astype(np.int32) - 128) * amount) >> 7
    return np.clip(pixels + change[:, :, None], 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def panorama(domain: str, kind: str, camera: int, size: int) -> tuple[Pixels, float]:
    """The place seen by one camera.

    Args:
        domain: name of the domain, part of the seed.
        kind: key of ``SCENES``.
        camera: number of the camera, part of the seed.
        size: height in pixels of the windows that are to be cut from it.

    Returns:
        (1.75 size, 4 size, 3) RGB picture, and the row where wall and floor meet.
    """
    scene = SCENES[kind]
    rng = generator("scene", domain, kind, camera)
    canvas = Canvas(np.zeros((7 * size // 4, 4 * size, 3), np.uint8))
    line, m = 0.65 * size, 0.26 * size
    _wall(canvas, rng, scene.wall, jittered(rng, scene.wall_colour, 18), line, m)
    _floor(canvas, rng, scene.floor, jittered(rng, scene.floor_colour, 14), line, m)
    x = rng.uniform(0.2, 1.4) * m
    while x < canvas.width:
        near = rng.random()
        PROPS[pick(rng, scene.props)](canvas, rng, x, line + near * 0.5 * m, m * (0.9 + 0.35 * near))
        x += rng.uniform(1.4, 3.2) * m / scene.density
    rough = {"grass": 22, "snow": 9, "paving": 12, "road": 12}.get(scene.floor, 7)
    cell = max(2, size // 128)
    pixels = _grain(_grain(canvas.lit(), rng, rough, cell), rng, 14, 24 * cell)
    return pixels, line


def window(
    picture: Pixels, line: float, rng: np.random.Generator, horizon: float, zoom: float,
    height: int, width: int,
) -> Pixels:  # fmt: skip
    """Cut a random part of a panorama.

    Args:
        picture: the panorama.
        line: its row where wall and floor meet.
        rng: source of the horizontal place.
        horizon: share of the window above that row.
        zoom: magnification.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width, 3) RGB.
    """
    rows, columns = int(height / zoom), int(width / zoom)
    top = min(max(0, int(line - horizon * rows)), picture.shape[0] - rows)
    left = int(rng.random() * (picture.shape[1] - columns))
    part = picture[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=EXACT)
