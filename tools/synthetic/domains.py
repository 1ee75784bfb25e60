"""The camera networks: where each films, whom, in which light, and through which cameras."""

from __future__ import annotations

import difflib
import zlib
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Domain:
    """A camera network; its name seeds all that is random in it.

    Attributes:
        scenes: what each camera films (see ``scenes.SCENES``), so as many as there are cameras.
        views: direction in degrees in which people walk past each camera: 0 towards it, 90 to the
            right, 180 away.
        seasons: weights of summer, mild and winter clothes.
        sun: how dark shadows are, 0 (overcast, indoors) to 1.
        tilt: how far the cameras look down, 0 to 0.4.
        white: gains of red, green and blue.
        gamma: exponent of the tone curve; above 1 is darker.
        saturation: 0 is grey, 1 is natural.
        haze: grey levels that mist or stray light adds to black.
        sharpness: share of the pixels that each side keeps; the rest is interpolated.
        noise: standard deviation of the sensor's noise, in grey levels.
        jpeg: quality of the files.
        crowd: chance that somebody else is in the image.
        occlusion: chance that something hides a part of the person.
        snowfall: whether it snows.
    """

    name: str
    scenes: tuple[str, ...]
    views: tuple[int, ...]
    seasons: tuple[float, float, float] = (1, 2, 1)
    sun: float = 0.3
    tilt: float = 0.12
    white: Colour = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    saturation: float = 1.0
    haze: int = 0
    sharpness: float = 0.8
    noise: float = 3.0
    jpeg: int = 75
    crowd: float = 0.25
    occlusion: float = 0.1
    snowfall: bool = False


SOURCES = ("plaza", "campus", "mall", "station", "film")
"""Domains to train on; film, which mixes the places of the others, is a good central domain."""

TARGETS = ("snow", "subway", "airport", "night")
"""Domains that no training sees."""

_DOMAINS = (
    Domain(
        "plaza", ("plaza", "facade", "plaza"), (45, 225, 110), seasons=(6, 2, 0), sun=0.9,
        white=(1.07, 1.0, 0.86), gamma=0.88, saturation=1.15, sharpness=0.95,
        noise=2, jpeg=85,
    ),
    Domain(
        "campus", ("lawn", "facade", "lawn"), (0, 180, 280), seasons=(2, 5, 1), sun=0.5, tilt=0.2,
        white=(0.94, 1.06, 0.93), gamma=1.1, saturation=0.9, sharpness=0.6, jpeg=60,
    ),
    Domain(
        "mall", ("shops", "hall", "shops"), (20, 170, 85), seasons=(2, 4, 2), sun=0.1, tilt=0.32,
        white=(1.15, 0.97, 0.82), gamma=0.9, haze=10, crowd=0.4, jpeg=60,
    ),
    Domain(
        "station", ("platform", "hall", "platform"), (90, 270, 180), seasons=(0, 2, 6), sun=0.05,
        tilt=0.24, white=(0.86, 1.0, 1.18), gamma=1.2, saturation=0.75, noise=6, crowd=0.4,
        occlusion=0.2,
    ),
    Domain(
        "film", ("street", "lawn", "shops", "hall"), (30, 80, 330, 10), seasons=(2, 3, 2),
        tilt=0.08, saturation=0.95, sharpness=1.0, noise=4, jpeg=85,
    ),
    Domain(
        "snow", ("snow", "snow", "snow"), (60, 190, 40), seasons=(0, 0, 1), sun=0.1, tilt=0.16,
        white=(0.95, 1.0, 1.08), saturation=0.7, haze=26, sharpness=0.55,
        noise=4, snowfall=True,
    ),
    Domain(
        "subway", ("platform", "hall", "platform"), (200, 20, 80), seasons=(1, 4, 3),
        sun=0.05, tilt=0.3, white=(0.96, 1.07, 0.86), gamma=1.15, saturation=0.85, sharpness=0.7,
        noise=6, jpeg=45, crowd=0.4, occlusion=0.2,
    ),
    Domain(
        "airport", ("gate", "hall", "gate"), (55, 210, 340), seasons=(2, 5, 2), sun=0.05, tilt=0.2,
        white=(0.93, 1.06, 1.0), gamma=0.9, saturation=0.85, haze=12, sharpness=0.55,
        jpeg=40, crowd=0.5, occlusion=0.25,
    ),
    Domain(
        "night", ("night", "night"), (10, 80), seasons=(3, 4, 2), sun=0.4, white=(1.12, 0.98, 0.8),
        gamma=1.05, saturation=0.9, noise=9, jpeg=65, crowd=0.15,
    ),
)  # fmt: skip
DOMAINS = {domain.name: domain for domain in _DOMAINS}


def find_domain(name: str) -> Domain:
    """The domain of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in DOMAINS:
        close = difflib.get_close_matches(name, DOMAINS, n=1, cutoff=0)[0]
        raise ValueError(f"there is no synthetic domain {name!r}; did you mean {close!r}?")
    return DOMAINS[name]


def generator(*keys: str | int) -> np.random.Generator:
    """Random numbers that depend on the keys alone: not on the process, nor on other calls."""
    return np.random.default_rng(
        [zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys]
    )


def jittered(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """A colour whose channels are each moved by up to ``amount`` grey levels."""
    red, green, blue = np.clip(np.add(colour, rng.uniform(-amount, amount, 3)), 2, 253)
    return float(red), float(green), float(blue)


def whole(colour: Colour) -> tuple[int, int, int]:
    """A colour as Pillow takes it."""
    return int(colour[0]), int(colour[1]), int(colour[2])
