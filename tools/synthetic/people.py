"""Who is filmed: the clothes, hair, bag and build of an identity, the same in all its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .domains import Colour, find_domain, generator, jittered

_SKIN = ((236, 196, 170), (222, 178, 146), (196, 146, 110), (150, 102, 72), (96, 64, 46))
_HAIR = ((24, 20, 20), (44, 30, 24), (84, 56, 36), (140, 100, 56), (196, 164, 104), (150, 146, 142))
_SHOES = ((24, 24, 26), (60, 42, 32), (222, 222, 220), (130, 130, 134), (166, 40, 40))
_BRIGHT = (
    (236, 236, 232), (226, 60, 56), (240, 152, 44), (244, 214, 72), (70, 168, 84), (64, 188, 186),
    (66, 122, 208), (132, 84, 180), (238, 142, 172), (176, 214, 240),
)  # fmt: skip
_MUTED = (
    (34, 36, 42), (84, 86, 90), (146, 148, 150), (44, 60, 104), (112, 40, 48), (72, 84, 56),
    (150, 118, 84), (196, 178, 148), (96, 110, 134), (60, 96, 96),
)  # fmt: skip
_DARK = tuple((red // 2, green // 2, blue // 2) for red, green, blue in _MUTED)
_LOWER = (
    (28, 28, 32), (36, 44, 70), (66, 86, 126), (118, 140, 172), (74, 74, 78), (150, 148, 144),
    (176, 156, 122), (88, 72, 56), (70, 80, 60), (222, 220, 214),
)  # fmt: skip

# For summer, mild and winter: colours; weights of patterns, of lower_kind and of hair_style, in the
# order of look_of; the chance of long sleeves; heights of the hem, as shares of the stature.
_SEASONS: tuple[tuple[Any, ...], ...] = (
    (_BRIGHT, (9, 5, 2, 3, 1), (5, 4, 3), (6, 5, 1, 2), 0.1, (0.5, 0.47)),
    (_MUTED, (9, 4, 3, 2, 4), (8, 1, 2), (7, 6, 1, 2), 0.75, (0.5, 0.46, 0.43)),
    (_DARK, (9, 2, 3, 0, 4), (9, 0, 1), (5, 5, 0, 5), 1.0, (0.47, 0.42, 0.33)),
)


@dataclass(frozen=True)
class Look:
    """What makes an identity.

    Attributes:
        accent: colour of the pattern, of what is under an open jacket, and of the hat.
        hem: height of the lower edge of the jacket, as a share of the stature.
        stature: relative to the average, as ``girth``.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    upper: Colour
    accent: Colour
    pattern: str
    long_sleeves: bool
    hem: float
    lower: Colour
    lower_kind: str
    shoes: Colour
    bag: str
    bag_colour: Colour
    stature: float
    girth: float


def pick(rng: np.random.Generator, options: Sequence[Any], weights: Sequence[float] = ()) -> Any:
    """One of the options, with probabilities proportional to the weights if there are any."""
    if not weights:
        return options[int(rng.integers(len(options)))]
    return options[int(rng.choice(len(options), p=np.divide(weights, sum(weights))))]


@lru_cache(maxsize=1024)
def look_of(domain: str, identity: int) -> Look:
    """The look of an identity of a domain, by a number of 0 or more."""
    rng = generator("look", domain, identity)
    season = pick(rng, _SEASONS, find_domain(domain).seasons)
    colours, patterns, lower, hair, long_sleeves, hems = season
    return Look(
        skin=jittered(rng, pick(rng, _SKIN), 8),
        hair=jittered(rng, pick(rng, _HAIR), 8),
        hair_style=pick(rng, ("short", "long", "bald", "hat"), hair),
        upper=jittered(rng, pick(rng, colours if rng.random() < 0.75 else _BRIGHT + _DARK), 16),
        accent=jittered(rng, pick(rng, _BRIGHT + _MUTED), 14),
        pattern=pick(rng, ("plain", "stripes", "halves", "print", "open"), patterns),
        long_sleeves=bool(rng.random() < long_sleeves),
        hem=pick(rng, hems),
        lower=jittered(rng, pick(rng, _LOWER), 14),
        lower_kind=pick(rng, ("trousers", "shorts", "skirt"), lower),
        shoes=jittered(rng, pick(rng, _SHOES), 8),
        bag=pick(rng, ("none", "backpack", "shoulder", "handbag"), (4, 3, 2, 2)),
        bag_colour=jittered(rng, pick(rng, _MUTED + _BRIGHT[1:8]), 12),
        stature=float(rng.uniform(0.94, 1.06)),
        girth=float(rng.uniform(0.88, 1.22)),
    )
