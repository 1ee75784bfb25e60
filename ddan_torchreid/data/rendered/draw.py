"""One image: a person in a scene, with others and obstacles, as one camera records it."""

from __future__ import annotations

import numpy as np

from ddan_torchreid.data.rendered.camera import Camera, camera_of, expose
from ddan_torchreid.data.rendered.canvas import (
    Canvas,
    Pixels,
    generator,
    jittered,
    pick,
    resized,
)
from ddan_torchreid.data.rendered.domains import find_domain
from ddan_torchreid.data.rendered.figure import Figure, random_pose
from ddan_torchreid.data.rendered.looks import look_of, passer_by, style_of
from ddan_torchreid.data.rendered.person import draw_person, draw_shadow
from ddan_torchreid.data.rendered.scene import panorama, window
from ddan_torchreid.data.rendered.styles import Style

_SUPERSAMPLING = 2


def draw_image(
    domain: str, identity: int, camera: int, index: int, height: int = 128, width: int = 64
) -> Pixels:
    """Draw one image of one person.

    The pixels depend on the arguments only: not on the process, the processor or the order of
    calls.

    Args:
        domain: name of a rendered domain.
        identity: number of the person, 0 or more.
        camera: number of the camera, from 0.
        index: number of the image of this person in this camera, 0 or more.
        height: rows, at least 32.
        width: columns, from 16 to twice the height.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ValueError: if the domain is unknown or a number is out of range.
    """
    spec = find_domain(domain)
    if not 0 <= camera < spec.cameras:
        raise ValueError(
            f"'{domain}' has cameras 0 to {spec.cameras - 1}, but camera {camera} was asked for"
        )
    if identity < 0 or index < 0:
        raise ValueError(f"identity and index must be 0 or more, but are {identity} and {index}")
    if height < 32 or width < 16:
        raise ValueError(f"images must be at least 32x16 (HxW), but {height}x{width} was asked for")
    if width > 2 * height:
        raise ValueError(f"images may be twice as wide as high at most, but are {height}x{width}")

    style = style_of(domain, identity)
    device = camera_of(domain, style, camera)
    rng = generator("image", domain, identity, camera, index)
    rows, columns = height * _SUPERSAMPLING, width * _SUPERSAMPLING

    kind = style.scenes[camera]
    picture, line = panorama(domain, kind, camera, rows)
    horizon = 0.5 - 1.25 * device.tilt + rng.uniform(-0.06, 0.06)
    place = window(picture, line, rng, max(0.02, horizon), rng.uniform(0.92, 1.08), rows, columns)
    canvas = Canvas(place)

    jitter = style.jitter
    size = rows * rng.uniform(0.8, 0.8 + 0.09 * jitter)
    foot_x = columns * (0.5 + jitter * rng.uniform(-0.08, 0.08))
    foot_y = rows * (0.95 + jitter * rng.uniform(-0.035, 0.03))
    if rng.random() < 0.12 * jitter:  # a bad box: feet cut off, or too much around the person
        grow, drop = (1.15, 1.12) if rng.random() < 0.5 else (0.82, 0.96)
        size, foot_y = size * grow, foot_y * drop
    if rng.random() < style.crowd:
        _passer_by(canvas, domain, style, device, style.directions[camera], rng, size, foot_y)
    pose = random_pose(rng, style.directions[camera], style.reverse, device.tilt)
    figure = Figure(
        canvas,
        look_of(domain, identity),
        pose,
        (foot_x, foot_y),
        size,
        device.light_side,
        style.sun,
    )
    draw_shadow(figure)
    draw_person(figure)
    if rng.random() < style.occlusion:
        _obstacle(canvas, rng)
    canvas.soften_light(rng)
    scene = resized(canvas.lit(), width, height)
    return expose(scene, device, rng, motion=rng.random() < 0.15)


def _passer_by(
    canvas: Canvas, domain: str, style: Style, device: Camera, direction: int,
    rng: np.random.Generator, size: float, foot_y: float,
) -> None:  # fmt: skip
    """Somebody else, farther away and partly out of the image or behind the person."""
    side = -1 if rng.random() < 0.5 else 1
    x = canvas.width * (0.5 + side * rng.uniform(0.26, 0.52))
    share = rng.uniform(0.62, 0.95)
    y = foot_y - (1 - share) * size * (0.15 + device.tilt)
    look = passer_by(domain, style, int(rng.random() * 400))
    pose = random_pose(rng, direction, 0.5, device.tilt)
    other = Figure(canvas, look, pose, (x, y), size * share, device.light_side, style.sun)
    draw_shadow(other)
    draw_person(other)


def _obstacle(canvas: Canvas, rng: np.random.Generator) -> None:
    """A post, a rail, a cart or leaves between the camera and the person."""
    rows, columns = canvas.height, canvas.width
    colour = jittered(
        rng, pick(rng, ((90, 94, 98), (150, 130, 90), (60, 70, 64), (170, 60, 50))), 20
    )
    kind = pick(rng, ("post", "rail", "cart", "leaves"))
    if kind == "post":
        x, half = columns * rng.uniform(0.1, 0.9), columns * rng.uniform(0.04, 0.08)
        canvas.box(x - half, 0, x + half, rows, colour)
        canvas.box(x, 0, x + half, rows, None, 0.75)
    elif kind == "rail":
        y = rows * rng.uniform(0.6, 0.8)
        canvas.box(0, y, columns, y + 0.03 * rows, colour)
        canvas.box(0, y + 0.12 * rows, columns, y + 0.14 * rows, colour, 0.9)
    elif kind == "cart":
        top, left = rows * rng.uniform(0.66, 0.82), columns * rng.uniform(-0.3, 0.5)
        canvas.box(left, top, left + 0.75 * columns, rows, colour)
        canvas.box(left, top, left + 0.75 * columns, top + 0.03 * rows, None, 0.7)
    else:
        side = 0.0 if rng.random() < 0.5 else float(columns)
        for _ in range(14):
            centre = (side + columns * rng.uniform(-0.28, 0.28), rows * rng.uniform(0.4, 1.0))
            shade = rng.uniform(0.6, 1.1)
            canvas.ellipse(centre, 0.1 * columns, 0.04 * rows, (66, 104, 54), shade)
