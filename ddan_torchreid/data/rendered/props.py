"""Things that stand in a scene: trees, cars, benches, shop windows, trains and the like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ddan_torchreid.data.rendered.canvas import Canvas, Colour, jittered, mix, pick, scaled

Prop = Callable[[Canvas, np.random.Generator, float, float, float], None]
"""Arguments: canvas, randomness, x and y of the foot in pixels, pixels per metre."""

_PAINT: tuple[Colour, ...] = (
    (180, 40, 40), (40, 70, 130), (210, 210, 212), (50, 54, 60), (130, 134, 140), (60, 110, 80),
    (224, 186, 70), (150, 90, 60),
)  # fmt: skip
_FRUIT = ((214, 60, 44), (236, 150, 40), (96, 150, 60), (230, 206, 80))
_GLASS: Colour = (92, 116, 134)


def tree(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    canvas.limb((x, y), (x, y - 2.2 * m), 0.13 * m, 0.1 * m, (84, 64, 48))
    leaf = jittered(rng, (72, 112, 52), 18)
    for _ in range(14):
        cx, cy = x + rng.uniform(-0.9, 0.9) * m, y - rng.uniform(1.5, 3.4) * m
        canvas.ellipse((cx, cy), 0.42 * m, 0.34 * m, scaled(leaf, rng.uniform(0.65, 1.25)))


def bare_tree(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    bark = (78, 70, 66)
    canvas.limb((x, y), (x, y - 2.4 * m), 0.14 * m, 0.07 * m, bark)
    for _ in range(8):
        start = y - rng.uniform(1.0, 2.3) * m
        end = (x + rng.uniform(-1.1, 1.1) * m, start - rng.uniform(0.5, 1.1) * m)
        canvas.limb((x, start), end, 0.045 * m, 0.02 * m, bark)


def bush(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    leaf = jittered(rng, (60, 100, 50), 20)
    for _ in range(9):
        cx, cy = x + rng.uniform(-0.7, 0.7) * m, y - rng.uniform(0.1, 0.75) * m
        canvas.ellipse((cx, cy), 0.34 * m, 0.27 * m, scaled(leaf, rng.uniform(0.6, 1.2)))


def lamp(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    canvas.limb((x, y), (x, y - 3.6 * m), 0.06 * m, 0.04 * m, (58, 60, 64))
    canvas.ellipse((x, y - 3.6 * m), 0.2 * m, 0.16 * m, (246, 238, 206), 1.3)


def bench(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    wood = jittered(rng, (134, 94, 58), 20)
    for leg in (-0.65, 0.65):
        canvas.box(x + (leg - 0.05) * m, y - 0.42 * m, x + (leg + 0.05) * m, y, (52, 52, 54))
    canvas.box(x - 0.8 * m, y - 0.5 * m, x + 0.8 * m, y - 0.4 * m, wood)
    canvas.box(x - 0.8 * m, y - 0.88 * m, x + 0.8 * m, y - 0.66 * m, scaled(wood, 0.85))


def bin_(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    colour = jittered(rng, pick(rng, ((60, 84, 70), (70, 72, 78), (150, 60, 50))), 12)
    canvas.box(x - 0.24 * m, y - 0.85 * m, x + 0.24 * m, y, colour)
    canvas.box(x - 0.27 * m, y - 0.95 * m, x + 0.27 * m, y - 0.82 * m, scaled(colour, 0.7))


def car(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    paint = jittered(rng, pick(rng, _PAINT), 14)
    ends = (-2.0, -1.9, -1.2, -0.7, 0.9, 1.4, 2.0, 2.05)
    tops = (0.25, 0.75, 0.85, 1.4, 1.4, 0.85, 0.75, 0.25)
    canvas.ellipse((x, y), 2.1 * m, 0.12 * m, None, 0.5)
    outline = [(x + a * m, y - b * m) for a, b in zip(ends, tops, strict=True)]
    canvas.polygon(outline, paint)
    glass = [
        (x + a * m, y - b * m) for a, b in ((-1.0, 0.88), (-0.6, 1.32), (0.8, 1.32), (1.2, 0.88))
    ]
    canvas.polygon(glass, _GLASS, 0.8)
    canvas.box(x + 0.05 * m, y - 1.32 * m, x + 0.14 * m, y - 0.88 * m, paint)
    for wheel in (-1.25, 1.25):
        canvas.ellipse((x + wheel * m, y - 0.28 * m), 0.33 * m, 0.32 * m, (30, 30, 32))
        canvas.ellipse((x + wheel * m, y - 0.28 * m), 0.16 * m, 0.15 * m, (130, 130, 134))


def bicycle(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    paint = jittered(rng, pick(rng, _PAINT), 14)
    for wheel in (-0.5, 0.5):
        canvas.ellipse((x + wheel * m, y - 0.33 * m), 0.34 * m, 0.33 * m, (44, 44, 46))
        canvas.ellipse((x + wheel * m, y - 0.33 * m), 0.27 * m, 0.26 * m, (140, 138, 134))
    for start, end in (
        ((-0.5, 0.33), (0.2, 0.8)),
        ((0.2, 0.8), (0.5, 0.33)),
        ((-0.2, 0.9), (0, 0.3)),
    ):
        canvas.limb((x + start[0] * m, y - start[1] * m), (x + end[0] * m, y - end[1] * m),
                    0.04 * m, 0.04 * m, paint)  # fmt: skip


def pillar(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    stone = jittered(rng, (170, 166, 158), 22)
    canvas.box(x - 0.32 * m, y - 5 * m, x + 0.32 * m, y + 0.1 * m, stone)
    canvas.box(x + 0.08 * m, y - 5 * m, x + 0.32 * m, y + 0.1 * m, None, 0.74)


def poster(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    paper = jittered(
        rng, pick(rng, ((224, 210, 180), (190, 60, 70), (60, 110, 170), (240, 200, 90))), 20
    )
    canvas.box(x - 0.5 * m, y - 2.2 * m, x + 0.5 * m, y - 0.8 * m, (66, 66, 70))
    canvas.box(x - 0.44 * m, y - 2.14 * m, x + 0.44 * m, y - 0.86 * m, paper)
    ink = jittered(rng, (90, 70, 90), 50)
    canvas.ellipse((x + rng.uniform(-0.15, 0.15) * m, y - 1.6 * m), 0.24 * m, 0.3 * m, ink)
    canvas.box(x - 0.34 * m, y - 1.1 * m, x + 0.34 * m, y - 1.0 * m, ink)


def door(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    frame = jittered(rng, pick(rng, ((96, 70, 50), (70, 80, 90), (150, 146, 140))), 16)
    canvas.box(x - 0.6 * m, y - 2.3 * m, x + 0.6 * m, y, frame)
    canvas.box(x - 0.48 * m, y - 2.1 * m, x - 0.04 * m, y - 0.1 * m, scaled(frame, 0.62))
    canvas.box(x + 0.04 * m, y - 2.1 * m, x + 0.48 * m, y - 0.1 * m, scaled(frame, 0.62))


def shop_window(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    canvas.box(x - 1.5 * m, y - 2.9 * m, x + 1.5 * m, y - 0.25 * m, (58, 52, 50))
    light = jittered(rng, (236, 214, 170), 18)
    canvas.box(x - 1.4 * m, y - 2.4 * m, x + 1.4 * m, y - 0.35 * m, light, 1.1)
    canvas.box(
        x - 1.4 * m, y - 2.85 * m, x + 1.4 * m, y - 2.5 * m, jittered(rng, pick(rng, _PAINT), 16)
    )
    for _ in range(9):
        cx, top = x + rng.uniform(-1.25, 1.25) * m, y - rng.uniform(0.8, 2.0) * m
        goods = jittered(rng, pick(rng, _PAINT), 30)
        canvas.box(cx - 0.13 * m, top, cx + 0.13 * m, y - 0.4 * m, mix(goods, light, 0.3))


def train(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    body, stripe = jittered(rng, (176, 184, 190), 14), jittered(rng, pick(rng, _PAINT[:2]), 16)
    canvas.box(x - 3.4 * m, y - 3.2 * m, x + 3.4 * m, y - 0.1 * m, body)
    canvas.box(x - 3.4 * m, y - 0.95 * m, x + 3.4 * m, y - 0.6 * m, stripe)
    for pane in range(6):
        left = x + (-3.2 + 1.1 * pane) * m
        canvas.box(left, y - 2.5 * m, left + 0.8 * m, y - 1.3 * m, _GLASS, 0.7)
    canvas.box(x - 0.65 * m, y - 2.7 * m, x + 0.65 * m, y - 0.15 * m, scaled(body, 0.8))
    canvas.box(x - 0.03 * m, y - 2.7 * m, x + 0.03 * m, y - 0.15 * m, (40, 44, 48))


def seats(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    colour = jittered(rng, pick(rng, ((50, 60, 90), (90, 40, 50), (60, 66, 70))), 14)
    canvas.box(x - 1.0 * m, y - 0.42 * m, x + 1.0 * m, y - 0.34 * m, (120, 120, 124))
    for seat in range(4):
        left = x + (-1.0 + 0.5 * seat) * m
        canvas.box(left + 0.04 * m, y - 0.95 * m, left + 0.46 * m, y - 0.4 * m, colour)


def plant(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    canvas.box(x - 0.22 * m, y - 0.45 * m, x + 0.22 * m, y, jittered(rng, (150, 120, 96), 24))
    for _ in range(7):
        tip = (x + rng.uniform(-0.5, 0.5) * m, y - rng.uniform(0.8, 1.5) * m)
        leaf = scaled((64, 108, 60), rng.uniform(0.7, 1.2))
        canvas.limb((x, y - 0.45 * m), tip, 0.05 * m, 0.09 * m, leaf)


def sofa(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    cloth = jittered(
        rng, pick(rng, ((120, 60, 50), (84, 92, 80), (150, 130, 104), (60, 66, 96))), 16
    )
    canvas.box(x - 1.1 * m, y - 0.9 * m, x + 1.1 * m, y - 0.1 * m, cloth)
    canvas.box(x - 0.9 * m, y - 0.5 * m, x + 0.9 * m, y - 0.12 * m, scaled(cloth, 1.2))
    canvas.box(x - 1.2 * m, y - 0.62 * m, x - 0.95 * m, y - 0.06 * m, scaled(cloth, 0.8))
    canvas.box(x + 0.95 * m, y - 0.62 * m, x + 1.2 * m, y - 0.06 * m, scaled(cloth, 0.8))


def shelf(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    wood = jittered(rng, (116, 84, 58), 20)
    canvas.box(x - 0.8 * m, y - 2.3 * m, x + 0.8 * m, y, wood)
    for row in range(4):
        low = y - (0.15 + 0.55 * row) * m
        canvas.box(x - 0.72 * m, low - 0.44 * m, x + 0.72 * m, low, scaled(wood, 0.5))
        for book in range(8):
            left = x + (-0.7 + 0.175 * book) * m
            top = low - rng.uniform(0.24, 0.42) * m
            canvas.box(left, top, left + 0.15 * m, low, jittered(rng, pick(rng, _PAINT), 24), 0.9)


def boat(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    hull = jittered(rng, pick(rng, _PAINT), 18)
    base = y - 0.3 * m
    top = base - 0.75 * m
    corners = [(x - 1.8 * m, top), (x + 1.9 * m, top), (x + 1.3 * m, base), (x - 1.4 * m, base)]
    canvas.polygon(corners, hull)
    canvas.box(x - 0.7 * m, base - 1.3 * m, x + 0.4 * m, base - 0.7 * m, (226, 224, 216))
    mast = x + 0.5 * m
    canvas.limb((mast, base - 0.7 * m), (mast, base - 3.4 * m), 0.05 * m, 0.03 * m, (90, 80, 70))


def parasol(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    """A sunshade over a deck chair."""
    canvas.ellipse((x, y), 1.1 * m, 0.12 * m, None, 0.6)
    foot, head = (x - 0.7 * m, y - 0.1 * m), (x + 0.5 * m, y - 0.6 * m)
    canvas.limb(foot, head, 0.09 * m, 0.09 * m, (120, 90, 60))
    canvas.limb((x, y), (x, y - 2.3 * m), 0.04 * m, 0.04 * m, (222, 220, 212))
    cloth = jittered(rng, pick(rng, _PAINT), 20)
    for wedge in range(4):
        left = x + (-1.2 + 0.6 * wedge) * m
        edge = [(left, y - 1.75 * m), (left + 0.6 * m, y - 1.75 * m), (x, y - 2.4 * m)]
        canvas.polygon(edge, cloth if wedge % 2 else (236, 232, 222))


def stall(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    """A counter of fruit below a striped awning."""
    for side in (-1.3, 1.3):
        canvas.box(x + (side - 0.04) * m, y - 2.4 * m, x + (side + 0.04) * m, y, (86, 78, 70))
    canvas.box(x - 1.3 * m, y - 0.8 * m, x + 1.3 * m, y, jittered(rng, (134, 104, 72), 20))
    for heap in range(6):
        fruit = jittered(rng, pick(rng, _FRUIT), 20)
        canvas.ellipse((x + (-1.08 + 0.43 * heap) * m, y - 0.82 * m), 0.24 * m, 0.17 * m, fruit)
    cloth = jittered(rng, pick(rng, _PAINT), 20)
    for stripe in range(8):
        left = x + (-1.5 + 0.375 * stripe) * m
        colour = cloth if stripe % 2 else (232, 228, 216)
        canvas.box(left, y - 2.65 * m, left + 0.375 * m, y - 2.1 * m, colour, 1.05)


def crates(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    for row in range(int(rng.uniform(1, 4))):
        wood, low = jittered(rng, (158, 124, 80), 24), y - 0.36 * row * m
        left = x + rng.uniform(-0.45, -0.3) * m
        canvas.box(left, low - 0.34 * m, left + 0.75 * m, low, wood)
        for gap in (0.1, 0.22):
            canvas.box(left, low - gap * m, left + 0.75 * m, low - (gap - 0.03) * m, None, 0.55)


def table(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    """A reading table with a green lamp."""
    wood = jittered(rng, (128, 88, 54), 18)
    for leg in (-0.9, 0.9):
        canvas.box(x + (leg - 0.05) * m, y - 0.7 * m, x + (leg + 0.05) * m, y, scaled(wood, 0.7))
    canvas.box(x - 1.1 * m, y - 0.78 * m, x + 1.1 * m, y - 0.68 * m, wood)
    canvas.limb((x, y - 0.78 * m), (x, y - 1.1 * m), 0.03 * m, 0.03 * m, (170, 140, 70))
    canvas.box(x - 0.24 * m, y - 1.22 * m, x + 0.24 * m, y - 1.06 * m, (50, 120, 80), 1.2)


def shelter(canvas: Canvas, rng: np.random.Generator, x: float, y: float, m: float) -> None:
    """A bus stop of glass with a bench."""
    canvas.box(x - 1.6 * m, y - 2.3 * m, x + 1.6 * m, y - 0.2 * m, _GLASS, 0.95)
    bench(canvas, rng, x - 0.4 * m, y, m)
    for post in (-1.6, 0.0, 1.6):
        canvas.box(x + (post - 0.05) * m, y - 2.4 * m, x + (post + 0.05) * m, y, (60, 64, 68))
    canvas.box(x - 1.8 * m, y - 2.55 * m, x + 1.8 * m, y - 2.35 * m, (52, 56, 62))


PROPS: dict[str, Prop] = {
    "tree": tree, "bare_tree": bare_tree, "bush": bush, "lamp": lamp, "bench": bench, "bin": bin_,
    "car": car, "bicycle": bicycle, "pillar": pillar, "poster": poster, "door": door,
    "shop_window": shop_window, "train": train, "seats": seats, "plant": plant, "sofa": sofa,
    "shelf": shelf, "boat": boat, "parasol": parasol, "stall": stall, "crates": crates,
    "table": table, "shelter": shelter,
}  # fmt: skip
