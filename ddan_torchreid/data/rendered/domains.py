"""The named domains: which there are, what each is for and how large it is."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from ddan_torchreid.data.rendered.styles import STYLES, Style


@dataclass(frozen=True)
class Domain:
    """A named data set.

    Attributes:
        name: registry name.
        styles: one style, or several that the identities take in turn.
        identities: training identities drawn by default.
        test_identities: query and gallery identities drawn by default.
        images_per_camera: images of each identity in each camera, drawn by default.
        cameras: number of cameras.
    """

    name: str
    styles: tuple[Style, ...]
    identities: int = 60
    test_identities: int = 60
    images_per_camera: int = 4
    cameras: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", len(self.styles[0].scenes))


SOURCES = (
    "rendered_plaza",
    "rendered_campus",
    "rendered_mall",
    "rendered_station",
    "rendered_film",
)
"""Training domains. ``rendered_film`` mixes street and film shots and is the central one."""

VALIDATION = ("rendered_harbour", "rendered_arcade", "rendered_library", "rendered_bridge")
"""Domains for choosing settings."""

PRETRAINING = ("rendered_park", "rendered_office", "rendered_stadium")
"""Domains for training a backbone from scratch, where no ImageNet weights are at hand."""

TARGETS = ("rendered_snow", "rendered_subway", "rendered_airport", "rendered_night")
"""Domains that no training may see: those of ``configs/rendered.yaml`` and the demo."""

MORE_TARGETS = ("rendered_beach", "rendered_garage", "rendered_market", "rendered_rain")
"""As ``TARGETS``, for the larger experiments: what holds on four places may not hold on others."""


def _domain(name: str) -> Domain:
    if name == "rendered_film":  # the largest, and two cameras instead of three
        return Domain(name, STYLES[name], identities=100)
    if name in SOURCES:
        return Domain(name, STYLES[name], test_identities=48)
    if name in PRETRAINING:
        return Domain(name, STYLES[name], identities=120, test_identities=24)
    return Domain(name, STYLES[name], identities=16, test_identities=72)


DOMAINS: dict[str, Domain] = {
    name: _domain(name)
    # Only ever add at the end: who looks like whom depends on a domain's place in this list.
    for name in (*SOURCES, *VALIDATION[:2], *PRETRAINING, *TARGETS, *VALIDATION[2:], *MORE_TARGETS)
}


def find_domain(name: str) -> Domain:
    """The domain called ``name``.

    Raises:
        ValueError: if there is none; the message names the nearest one.
    """
    if name not in DOMAINS:
        nearest = difflib.get_close_matches(name, DOMAINS, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown rendered domain '{name}'; did you mean '{nearest}'?")
    return DOMAINS[name]
