"""Synthetic pedestrians: small re-identification datasets that anyone can make.

An identity has its clothes, hair, bag and build; pose, view, framing and light change from image to
image, and place, fashion, weather and cameras from domain to domain::

    from synthetic import SOURCES, TARGETS, draw, register

    register(draw("data", SOURCES) | draw("data", TARGETS, identities=0))
"""

from .dataset import FIRST_TEST_IDENTITY, draw, register
from .domains import DOMAINS, SOURCES, TARGETS, Domain, find_domain
from .image import draw_image
from .people import Look, look_of

__all__ = [
    "DOMAINS",
    "FIRST_TEST_IDENTITY",
    "SOURCES",
    "TARGETS",
    "Domain",
    "Look",
    "draw",
    "draw_image",
    "find_domain",
    "look_of",
    "register",
]
