"""What a figure wears: tops with patterns, skirts, hair, faces, hats and bags."""

from __future__ import annotations

from ddan_torchreid.data.rendered.canvas import Point, mix, scaled, sine
from ddan_torchreid.data.rendered.figure import Figure

# (height, half width seen from the front, half width seen from the side), shares of the stature.
_TORSO = (
    (0.862, 0.030, 0.034),
    (0.838, 0.082, 0.052),
    (0.812, 0.108, 0.062),
    (0.72, 0.096, 0.074),
    (0.62, 0.080, 0.066),
    (0.54, 0.086, 0.070),
    (0.47, 0.088, 0.072),
)


class _Outline:
    """The silhouette of a top: rows of (centre x, y, half width) in pixels, from neck to hem."""

    def __init__(self, figure: Figure) -> None:
        look, size = figure.look, figure.size
        coat = 1.12 if look.hem < 0.45 else 1.04
        self.rows: list[tuple[float, float, float]] = []
        for up, front, side in _TORSO:
            if up > look.hem + 0.01:
                x, y = figure.at(0, up, 0.012 * (up - 0.5))
                self.rows.append((x, y, figure.across(front, side) * size * coat))
        flare = 1.0 + max(0.0, 0.47 - look.hem) * 0.9
        x, y = figure.at(0, look.hem, 0.0)
        self.rows.append((x, y, figure.across(0.09, 0.076) * size * coat * flare))

    def corners(self) -> list[Point]:
        right = [(x + w, y) for x, y, w in self.rows]
        return right + [(x - w, y) for x, y, w in reversed(self.rows)]

    def at(self, across: float, down: float) -> Point:
        """Point at ``across`` -1 (left edge) to 1 and ``down`` 0 (neck) to 1 (hem)."""
        y = self.rows[0][1] + (self.rows[-1][1] - self.rows[0][1]) * down
        for (x0, y0, w0), (x1, y1, w1) in zip(self.rows, self.rows[1:], strict=False):
            if y <= y1 + 1e-6:
                share = (y - y0) / max(1e-6, y1 - y0)
                return x0 + (x1 - x0) * share + (w0 + (w1 - w0) * share) * across, y
        x, y, w = self.rows[-1]
        return x + w * across, y

    def patch(self, left: float, right: float, top: float, bottom: float) -> list[Point]:
        """The part of the silhouette between two shares of its width and of its height."""
        downs = (top, (top + bottom) / 2, bottom) if bottom - top > 0.25 else (top, bottom)
        edge = [self.at(right, down) for down in downs]
        return edge + [self.at(left, down) for down in reversed(downs)]


def draw_top(figure: Figure) -> None:
    """Shirt, jacket or coat with its pattern, opening, shadow side and scarf."""
    look, canvas = figure.look, figure.canvas
    outline = _Outline(figure)
    canvas.polygon(outline.corners(), look.upper, 1.0)
    _pattern(figure, outline)
    _front(figure, outline)
    _fold_shadows(figure, outline)
    if look.scarf:
        figure.rod((-0.035, 0.85, 0.015), (0.035, 0.85, 0.015), 0.03, 0.03, look.hat_colour, 0.95)
    if look.hat == "hood":
        figure.rod((0, 0.85, -0.03), (0, 0.82, -0.04), 0.05, 0.035, scaled(look.upper, 0.9), 0.88)


def _pattern(figure: Figure, outline: _Outline) -> None:
    look, canvas, patch = figure.look, figure.canvas, outline.patch
    if look.pattern == "stripes":
        for row in range(5):
            canvas.polygon(patch(-1, 1, 0.12 + row * 0.18, 0.205 + row * 0.18), look.accent)
    elif look.pattern == "vertical":
        for column in range(4):
            left = -0.86 + column * 0.5
            canvas.polygon(patch(left, left + 0.2, 0.08, 1), look.accent)
    elif look.pattern == "check":
        cross = mix(look.upper, look.accent, 0.55)
        for row in range(4):
            canvas.polygon(patch(-1, 1, 0.14 + row * 0.22, 0.24 + row * 0.22), cross)
        for column in range(3):
            left = -0.75 + column * 0.6
            canvas.polygon(patch(left, left + 0.24, 0.08, 1), cross)
    elif look.pattern == "block":
        canvas.polygon(patch(-1, 1, 0.0, 0.36), look.accent)
    elif look.pattern == "band":
        canvas.polygon(patch(-1, 1, 0.42, 0.6), look.accent)
    elif look.pattern == "print" and abs(figure.cos) > 0.35:  # not seen from the side
        shift = figure.sin * 0.4
        low = 0.5 if figure.cos > 0 else 0.4
        canvas.polygon(patch(shift - 0.5, shift + 0.5, 0.24, low), look.accent)


def _front(figure: Figure, outline: _Outline) -> None:
    """What shows from the front only: the shirt under an open jacket, a zip, the neck."""
    look, canvas, facing, size = figure.look, figure.canvas, figure.cos, figure.size
    if look.open_front and facing > 0.1:
        centre, half = 0.75 * figure.sin, 0.34 * facing
        canvas.polygon(outline.patch(centre - half, centre + half, 0.05, 1), look.inner)
    elif facing > 0.2 and look.pattern in ("plain", "block") and look.hem < 0.47:
        centre = 0.8 * figure.sin
        canvas.polygon(outline.patch(centre - 0.05, centre + 0.05, 0.08, 1), None, 0.6)
    if facing > 0.0 and not look.scarf:
        x, y = figure.at(0, 0.845, 0.02)
        neck = [(x - 0.03 * size, y - 0.012 * size), (x + 0.03 * size, y - 0.012 * size)]
        canvas.polygon([*neck, (x, y + 0.026 * size)], look.skin, 0.9)


def _fold_shadows(figure: Figure, outline: _Outline) -> None:
    canvas, depth = figure.canvas, 0.18 + 0.22 * figure.sun
    near, far = (0.35, 1.0) if figure.light_side < 0 else (-1.0, -0.35)
    canvas.polygon(outline.patch(near, far, 0.08, 1), None, 1 - depth)
    edge = (0.75, 1.0) if figure.light_side < 0 else (-1.0, -0.75)
    canvas.polygon(outline.patch(*edge, 0.12, 1), None, 1 - 1.5 * depth)
    canvas.polygon(outline.patch(-1, 1, 0.93, 1), None, 0.82)
    # A crease whose place follows the step, as cloth does.
    crease = 0.55 + 0.1 * sine(figure.pose.phase)
    fold = [
        outline.at(-0.8, crease),
        outline.at(0.3, crease + 0.1),
        outline.at(-0.7, crease + 0.06),
    ]
    canvas.polygon(fold, None, 0.84)


def draw_lower(figure: Figure) -> None:
    """The skirt, or the seat of the trousers."""
    look, s = figure.look, figure.size
    skirt = look.lower_kind == "skirt"
    bottom = look.lower_length if skirt else 0.465
    flare = 1.25 if skirt else 0.95
    upper, lower = figure.across(0.078, 0.066) * s, figure.across(0.094, 0.084) * flare * s
    x_top, y_top = figure.at(0, 0.6, 0)
    x_low, y_low = figure.at(0, bottom, 0.015 * sine(figure.pose.phase) * figure.pose.stride)
    outline = [(x_top - upper, y_top), (x_top + upper, y_top), (x_low + lower, y_low),
               (x_low, y_low + 0.012 * s), (x_low - lower, y_low)]  # fmt: skip
    figure.canvas.polygon(outline, look.lower, 0.97)
    if skirt:
        side = lower if figure.light_side < 0 else -lower
        shade = [(x_top + 0.2 * side, y_top), (x_low + 0.35 * side, y_low), (x_low + side, y_low)]
        figure.canvas.polygon(shade, None, 0.8)


def draw_head(figure: Figure) -> None:
    """Neck, face, hair and hat."""
    look, canvas, s = figure.look, figure.canvas, figure.size
    figure.rod((0, 0.9, 0.012), (0, 0.85, 0.0), 0.027, 0.03, look.skin, 0.8)
    x, y = figure.at(0, 0.932, 0.014)
    rx, ry = (0.046 + 0.008 * abs(figure.sin)) * s, 0.066 * s
    bald, hood = look.hair_style == "bald", look.hat == "hood"
    outer = look.upper if hood else look.skin if bald else look.hair
    wider = 1.22 if hood else 1.06
    canvas.ellipse((x, y - 0.004 * s), rx * wider, ry * (wider - 0.02), outer, 0.95)
    if figure.cos > -0.55:
        # The face slides to the side it looks to and gets narrower.
        turn = figure.sin * rx * 0.42
        narrow = 0.9 - 0.3 * abs(figure.sin) - (0.25 if figure.cos < 0 else 0.0)
        face = (x + turn, y + 0.012 * s)
        canvas.ellipse(face, rx * narrow, ry * 0.84, look.skin, 1.0)
        eyes, jaw = face[1] - 0.006 * s, face[1] + 0.034 * s
        for eye in (-0.42, 0.42):
            ex = face[0] + (eye + 0.35 * figure.sin) * rx * narrow
            canvas.box(
                ex - 0.008 * s, eyes, ex + 0.008 * s, eyes + 0.009 * s, scaled(look.skin, 0.4)
            )
        canvas.box(
            face[0] - 0.014 * s, jaw, face[0] + 0.014 * s, jaw + 0.007 * s, scaled(look.skin, 0.72)
        )
        shade = -1.0 if figure.light_side > 0 else 1.0
        canvas.ellipse((face[0] + shade * rx * 0.6, face[1]), rx * 0.3, ry * 0.7, None, 0.84)
        if not bald and not hood:  # fringe
            canvas.ellipse((x + turn * 0.5, y - 0.045 * s), rx * 0.92, ry * 0.34, look.hair, 0.97)
    if look.hair_style == "bun" and not hood:
        bun = figure.at(0, 0.975, -0.055)
        canvas.ellipse(bun, 0.028 * s, 0.026 * s, look.hair, 0.9)
    _hat(figure, x, y, rx, ry)


def _hat(figure: Figure, x: float, y: float, rx: float, ry: float) -> None:
    look, canvas = figure.look, figure.canvas
    if look.hat in ("cap", "beanie"):
        dome = [(x - rx * 1.12, y - ry * 0.2), (x - rx * 0.95, y - ry * 0.75), (x, y - ry * 1.2),
                (x + rx * 0.95, y - ry * 0.75), (x + rx * 1.12, y - ry * 0.2)]  # fmt: skip
        canvas.polygon(dome, look.hat_colour, 1.0)
        if look.hat == "cap" and figure.cos > -0.4:
            brim = figure.at(0, 0.945, 0.09)
            canvas.limb((x, y - ry * 0.28), (brim[0], y - ry * 0.2), rx * 0.5, rx * 0.3,
                        scaled(look.hat_colour, 0.8), 0.85)  # fmt: skip
        elif look.hat == "beanie":
            rim = [(x - rx * 1.15, y - ry * 0.4), (x + rx * 1.15, y - ry * 0.4),
                   (x + rx * 1.12, y - ry * 0.12), (x - rx * 1.12, y - ry * 0.12)]  # fmt: skip
            canvas.polygon(rim, look.hat_colour, 0.8)


def draw_long_hair(figure: Figure) -> None:
    """Hair that falls to the chin or the back."""
    look, s = figure.look, figure.size
    length = 0.765 if look.hair_style == "long" else 0.85
    x, y = figure.at(0, 0.94, -0.012)
    x_end, y_end = figure.at(0, length, -0.035)
    w = 0.053 * s
    outline = [(x - w, y), (x + w, y), (x_end + w, y_end - 0.025 * s), (x_end + w * 0.5, y_end),
               (x_end - w * 0.5, y_end), (x_end - w, y_end - 0.025 * s)]  # fmt: skip
    figure.canvas.polygon(outline, look.hair, 0.93)


def draw_backpack(figure: Figure) -> None:
    """The bag on the back and, from the front, its straps."""
    look, s = figure.look, figure.size
    if figure.cos > 0.35:
        for side in (-1, 1):
            top, low = (0.062 * side, 0.83, 0.04), (0.066 * side, 0.66, 0.05)
            figure.rod(top, low, 0.013, 0.011, look.bag_colour, 0.9)
        return
    x, y = figure.at(0, 0.72, -0.1)
    half = (0.084 * abs(figure.cos) + 0.056 * abs(figure.sin)) * s
    right = [(0.7, -0.11), (1.0, -0.075), (1.05, 0.11)]
    body = [(x + half * across, y + down * s) for across, down in right]
    body += [(x - half * across, y + down * s) for across, down in reversed(right)]
    figure.canvas.polygon(body, look.bag_colour, 1.0)
    canvas = figure.canvas
    canvas.box(x - half * 0.75, y + 0.02 * s, x + half * 0.75, y + 0.09 * s, None, 0.82)
    canvas.box(x - half * 0.95, y - 0.03 * s, x + half * 0.95, y - 0.02 * s, None, 0.65)


def draw_hand_luggage(figure: Figure) -> None:
    """Shoulder bag, handbag or trolley, each at the person's left or right side."""
    look, canvas, s = figure.look, figure.canvas, figure.size
    dark = scaled(look.bag_colour, 0.7)
    if look.bag == "shoulder":
        if figure.cos > -0.9:
            figure.rod((-0.07, 0.83, 0.05), (0.1, 0.52, 0.06), 0.009, 0.009, dark, 0.95)
        if figure.cos < 0.2:
            figure.rod((-0.07, 0.83, -0.05), (0.1, 0.52, -0.05), 0.009, 0.009, dark, 0.95)
        x, y = figure.at(0.125, 0.47, 0.0)
        half = (0.045 * abs(figure.cos) + 0.075 * abs(figure.sin)) * s
        canvas.box(x - half, y - 0.055 * s, x + half, y + 0.055 * s, look.bag_colour, 1.0)
        canvas.box(x - half, y - 0.055 * s, x + half, y - 0.02 * s, None, 0.78)
    elif look.bag == "handbag":
        x, y = figure.at(0.145, 0.37, 0.02)
        half = (0.03 * abs(figure.cos) + 0.07 * abs(figure.sin)) * s
        canvas.limb((x, y - 0.1 * s), (x, y - 0.03 * s), 0.006 * s, 0.006 * s, dark)
        top, low = y - 0.05 * s, y + 0.06 * s
        bag = [(x - half * 0.8, top), (x + half * 0.8, top), (x + half, low), (x - half, low)]
        canvas.polygon(bag, look.bag_colour, 0.97)
    elif look.bag == "trolley":
        x, y = figure.at(0.17, 0.02, -0.2)
        half = (0.075 * abs(figure.cos) + 0.05 * abs(figure.sin)) * s
        handle = figure.at(0.14, 0.42, -0.04)
        canvas.limb((x, y - 0.26 * s), handle, 0.008 * s, 0.008 * s, (70, 70, 74))
        canvas.box(x - half, y - 0.29 * s, x + half, y, look.bag_colour, 1.0)
        canvas.box(x - half * 0.7, y - 0.25 * s, x + half * 0.7, y - 0.05 * s, None, 0.82)
