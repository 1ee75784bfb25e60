"""Synthetic pedestrians: small re-identification datasets that anyone can make.

An identity has its clothes, hair, bag and build; pose, view, framing and light change from image to
image, and place, fashion, weather and cameras from domain to domain::

    from synthetic import SOURCES, TARGETS, draw, register

    register(draw("data", SOURCES) | draw("data", TARGETS, identities=0))
"""

from .dataset import draw, register
from .domains import DOMAINS, SOURCES, TARGETS, find_domain
from .image import draw_image
from .people import look_of

__all__ = [
    "DOMAINS",
    "SOURCES",
    "TARGETS",
    "draw",
    "draw_image",
    "find_domain",
    "look_of",
    "register",
]
