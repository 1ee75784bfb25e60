"""Drawn pedestrians: re-id domains that anyone can have, for demos, tests and experiments.

An identity fixes clothes, hair, bag and build; pose, view, crop, light and obstacles change from
image to image; a domain fixes the place, the fashion and the response of its cameras.
"""

from ddan_torchreid.data.rendered.dataset import (
    FOLDER,
    dataset_class,
    draw_domain,
    read_domain,
)
from ddan_torchreid.data.rendered.domains import (
    DOMAINS,
    MORE_TARGETS,
    PRETRAINING,
    SOURCES,
    TARGETS,
    VALIDATION,
    Domain,
    find_domain,
)
from ddan_torchreid.data.rendered.draw import draw_image
from ddan_torchreid.data.rendered.looks import Look, look_of, lookalikes

__all__ = [
    "DOMAINS",
    "FOLDER",
    "MORE_TARGETS",
    "PRETRAINING",
    "SOURCES",
    "TARGETS",
    "VALIDATION",
    "Domain",
    "Look",
    "dataset_class",
    "draw_domain",
    "draw_image",
    "find_domain",
    "look_of",
    "lookalikes",
    "read_domain",
]
