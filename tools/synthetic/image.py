"""One image: a person in a place, with others and obstacles, as a camera records it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .domains import Domain, find_domain, generator, jittered, whole
from .figure import Point, draw_person, random_pose
from .people import look_of, pick
from .scenes import HORIZON, picture_of

_SUPERSAMPLING = 4
_PASSERS_BY = 100_000  # people in the way, who are nobody's match, have numbers from here on


def draw_image(
    domain: str, identity: int, camera: int, index: int, height: int = 128, width: int = 64
) -> Image.Image:
    """Draws an image of a person; it depends on the arguments alone.

    Args:
        domain: name of a synthetic domain.
        identity: number of the person, 0 or more.
        camera: number of the camera, from 0.
        index: number of the image of this person by this camera, 0 or more.
        height: rows of the image.
        width: columns of the image.

    Raises:
        ValueError: there is no such domain or camera.
    """
    network = find_domain(domain)
    if not 0 <= camera < len(network.scenes):
        raise ValueError(f"{domain} has cameras 0 to {len(network.scenes) - 1}, not {camera}")
    own = generator("camera", domain, camera)
    light, tilt = own.uniform(-1, 1), network.tilt * own.uniform(0.75, 1.25)
    rng = generator("image", domain, identity, camera, index)
    rows, columns = height * _SUPERSAMPLING, width * _SUPERSAMPLING

    picture = _background(network, camera, rng, tilt, (rows, columns))
    size = rows * rng.uniform(0.78, 0.9)
    foot = columns * rng.uniform(0.42, 0.58), rows * rng.uniform(0.92, 0.97)
    if rng.random() < 0.1:  # a bad box cuts the feet
        size, foot = size * 1.12, (foot[0], rows * 1.05)
    people = []
    if rng.random() < network.crowd:
        share, side = rng.uniform(0.6, 0.9), pick(rng, (-1, 1))
        behind = foot[0] + side * columns * rng.uniform(0.3, 0.5), foot[1] - 0.15 * size
        people.append((_PASSERS_BY + int(rng.integers(400)), behind, size * share))
    people.append((identity, foot, size))
    for number, where, tall in people:
        _shadow(picture, where, tall, network.sun, light)
        pose = random_pose(rng, network.views[camera], tilt, light)
        draw_person(picture, look_of(domain, number), pose, where, tall)
    if rng.random() < network.occlusion:
        _obstacle(picture, rng)
    if network.snowfall:
        _snowfall(picture, rng)
    return _recorded(picture.reduce(_SUPERSAMPLING), network, own, rng)


def _background(
    network: Domain, camera: int, rng: np.random.Generator, tilt: float, size: tuple[int, int]
) -> Image.Image:
    """A part of the place, with the horizon the higher, the more the camera looks down."""
    rows, columns = size
    place = picture_of(network.scenes[camera], network.name, camera, round(1.25 * rows))
    horizon = rows * (0.52 - 0.8 * tilt + rng.uniform(-0.04, 0.04))
    top = min(max(0, round(HORIZON * place.height - horizon)), place.height - rows)
    left = int(rng.integers(max(1, place.width - columns)))
    return place.crop((left, top, left + columns, top + rows))


def _shadow(picture: Image.Image, foot: Point, size: float, sun: float, light: float) -> None:
    """A soft shadow under the feet, drawn out away from the light where there is sun."""
    away = -math.copysign(1, light)
    length = size * (0.12 + 0.3 * sun)
    left, right = sorted((foot[0] - away * 0.1 * size, foot[0] + away * length))
    mask = Image.new("L", (picture.width // 4, picture.height // 4))
    edges = (left, foot[1] - 0.035 * size, right, foot[1] + 0.02 * size)
    ImageDraw.Draw(mask).ellipse([edge / 4 for edge in edges], fill=round(90 + 100 * sun))
    mask = mask.filter(ImageFilter.GaussianBlur(0.003 * size))
    picture.paste((22, 22, 30), (0, 0), mask.resize(picture.size))


def _obstacle(picture: Image.Image, rng: np.random.Generator) -> None:
    """A post or a suitcase in front of the person."""
    columns, rows = picture.size
    colour = whole(jittered(rng, pick(rng, ((90, 94, 98), (150, 130, 90), (160, 56, 48))), 20))
    pen, x = ImageDraw.Draw(picture), columns * rng.uniform(-0.2, 0.8)
    if rng.random() < 0.5:
        pen.rectangle((x + 0.2 * columns, 0, x + 0.3 * columns, rows), fill=colour)
    else:
        edges = (x, rows * rng.uniform(0.68, 0.8), x + 0.5 * columns, 1.1 * rows)
        pen.rounded_rectangle(edges, 0.05 * columns, fill=colour)


def _snowfall(picture: Image.Image, rng: np.random.Generator) -> None:
    pen, rows = ImageDraw.Draw(picture), picture.height
    for x, y in rng.uniform(0, 1, (70, 2)) * picture.size:
        radius = rows * rng.uniform(0.003, 0.008)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(244, 246, 250))


def _recorded(
    picture: Image.Image, network: Domain, own: np.random.Generator, rng: np.random.Generator
) -> Image.Image:
    """What the camera makes of the light: resolution, colours, tone curve and noise.

    ``own`` makes the cameras of a network differ, ``rng`` the images of a camera.
    """
    width, height = picture.size
    share = network.sharpness * own.uniform(0.85, 1.05)
    if share < 1:
        small = picture.resize((round(width * share), round(height * share)),
                               Image.Resampling.BILINEAR)  # fmt: skip
        picture = small.resize((width, height), Image.Resampling.BILINEAR)
    light = np.asarray(picture, np.float32) / 255
    gain = network.white * own.uniform(0.94, 1.06, 3) * rng.uniform(0.97, 1.03, 3)
    light = np.clip(light * gain * rng.uniform(0.9, 1.1), 0, 1)
    value = light ** (network.gamma * own.uniform(0.9, 1.1))
    grey = value @ np.array([0.3, 0.59, 0.11])
    value = grey[:, :, None] + (value - grey[:, :, None]) * network.saturation
    value = network.haze + value * (255 - network.haze)
    value += rng.normal(0, network.noise, (height, width, 1)) + rng.normal(
        0, 0.4 * network.noise, (height, width, 3)
    )
    return Image.fromarray(np.clip(value + 0.5, 0, 255).astype(np.uint8))
