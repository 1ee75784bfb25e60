"""Backgrounds: a wide picture of a place for each camera, of which every image shows a part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ddan_torchreid.data.rendered.canvas import (
    Canvas,
    Colour,
    Pixels,
    generator,
    jittered,
    pick,
    resized,
)
from ddan_torchreid.data.rendered.props import PROPS
from ddan_torchreid.data.rendered.surfaces import draw_floor, draw_wall


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
    "plaza": Scene(
        "paving", (196, 186, 168), "houses", (206, 190, 160),
        ("lamp", "bench", "tree", "bin", "bicycle"),
    ),
    "facade": Scene(
        "paving", (172, 164, 152), "windows", (214, 196, 162),
        ("door", "car", "lamp", "poster", "tree"),
    ),
    "lawn": Scene(
        "grass", (104, 140, 70), "foliage", (92, 122, 84),
        ("tree", "bush", "bench", "bush"), 1.3,
    ),
    "brick": Scene(
        "paving", (150, 146, 134), "bricks", (156, 88, 66),
        ("bicycle", "bush", "door", "bench"),
    ),
    "shops": Scene(
        "tiles", (214, 198, 168), "plaster", (188, 164, 128),
        ("shop_window", "shop_window", "plant"), 1.2,
    ),
    "atrium": Scene(
        "tiles", (206, 192, 170), "panels", (216, 206, 186),
        ("plant", "seats", "pillar", "poster"),
    ),
    "platform": Scene(
        "platform", (140, 144, 148), "panels", (112, 120, 128),
        ("train", "pillar", "train", "seats"),
    ),
    "concourse": Scene(
        "tiles", (158, 162, 166), "panels", (150, 156, 160),
        ("poster", "pillar", "seats", "door", "bin"),
    ),
    "street": Scene(
        "road", (118, 118, 120), "windows", (164, 150, 136),
        ("car", "car", "lamp", "tree", "door", "bin"),
    ),
    "interior": Scene(
        "planks", (150, 110, 74), "plaster", (190, 172, 148),
        ("sofa", "shelf", "plant", "door", "poster"),
    ),
    "corridor": Scene(
        "tiles", (170, 176, 172), "panels", (196, 202, 196),
        ("door", "poster", "seats", "bin"), 0.8,
    ),
    "quay": Scene(
        "paving", (150, 150, 148), "water", (96, 120, 140),
        ("boat", "lamp", "boat", "bench"), 0.9,
    ),
    "snow": Scene(
        "snow", (226, 230, 236), "foliage", (176, 184, 190),
        ("bare_tree", "car", "bare_tree", "bench", "lamp"), 0.9,
    ),
    "tunnel": Scene(
        "tiles", (126, 120, 108), "bricks", (176, 172, 150),
        ("poster", "pillar", "poster", "seats"), 1.1,
    ),
    "night": Scene(
        "road", (92, 92, 98), "windows", (84, 78, 84),
        ("lamp", "car", "shop_window", "bin", "poster"), 1.1,
    ),
    "library": Scene(
        "carpet", (112, 84, 80), "books", (112, 78, 52),
        ("table", "seats", "table", "plant"), 1.1,
    ),
    "reading_room": Scene(
        "planks", (170, 132, 92), "windows", (196, 176, 146),
        ("table", "shelf", "table", "plant"), 1.2,
    ),
    "bridge": Scene(
        "planks", (150, 134, 110), "railing", (108, 130, 138),
        ("lamp", "bicycle", "bench"), 0.6,
    ),
    "embankment": Scene(
        "grass", (132, 146, 96), "houses", (176, 160, 146),
        ("lamp", "bare_tree", "bench", "bush"),
    ),
    "beach": Scene(
        "sand", (222, 202, 160), "sea", (84, 150, 168),
        ("parasol", "boat", "parasol", "parasol"), 0.9,
    ),
    "promenade": Scene(
        "planks", (196, 172, 136), "railing", (92, 152, 170),
        ("lamp", "bench", "parasol", "bin"), 0.8,
    ),
    "garage": Scene(
        "bays", (118, 116, 112), "concrete", (160, 158, 150),
        ("car", "pillar", "car", "car"), 0.9,
    ),
    "stairwell": Scene(
        "tiles", (136, 132, 124), "concrete", (178, 176, 166),
        ("door", "bin", "door", "poster"),
    ),
    "market": Scene(
        "paving", (158, 146, 132), "houses", (190, 160, 132),
        ("stall", "crates", "stall"), 1.4,
    ),
    "alley": Scene(
        "paving", (138, 128, 120), "bricks", (168, 132, 100),
        ("crates", "door", "bicycle", "crates", "stall"), 1.3,
    ),
    "wet_street": Scene(
        "wet", (92, 96, 102), "houses", (134, 132, 134),
        ("car", "bare_tree", "lamp", "car", "bin"),
    ),
    "bus_stop": Scene(
        "wet", (108, 110, 114), "foliage", (72, 88, 76),
        ("shelter", "poster", "shelter", "bin"), 1.1,
    ),
}  # fmt: skip


def _grain(pixels: Pixels, rng: np.random.Generator, amount: int, cell: int) -> Pixels:
    """Uneven surfaces: coarse random brightness of ``cell`` pixels, at most ``amount`` levels."""
    height, width = pixels.shape[:2]
    coarse = rng.integers(0, 256, (height // cell + 2, width // cell + 2), np.uint8)
    fine = resized(coarse, width, height)
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
    draw_wall(canvas, rng, scene.wall, jittered(rng, scene.wall_colour, 18), line, m)
    draw_floor(canvas, rng, scene.floor, jittered(rng, scene.floor_colour, 14), line, m)
    x = rng.uniform(0.2, 1.4) * m
    while x < canvas.width:
        near = rng.random()
        PROPS[pick(rng, scene.props)](
            canvas, rng, x, line + near * 0.5 * m, m * (0.9 + 0.35 * near)
        )
        x += rng.uniform(1.4, 3.2) * m / scene.density
    rough = {"grass": 22, "snow": 9, "paving": 12, "road": 12, "sand": 16}.get(scene.floor, 7)
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
    return resized(np.ascontiguousarray(part), width, height)
