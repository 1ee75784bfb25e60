"""``ddan-torchreid render``: draws domains of pedestrians to disk."""

from __future__ import annotations

import argparse

from ..data import rendered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("domains", nargs="*", help="names; all sources and targets by default")
    parser.add_argument("--root", default="reid-data", help="data root")
    parser.add_argument("--identities", type=int, help="training identities")
    parser.add_argument("--test-identities", type=int, help="identities of query and gallery")
    parser.add_argument("--images", type=int, help="training images per identity and camera")
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)


def run(arguments: argparse.Namespace) -> None:
    """Draws each domain that is not there yet."""
    names = arguments.domains or (*rendered.SOURCES, *rendered.TARGETS)
    for name in names:
        rendered.find_domain(name)
    for name in names:
        path = rendered.draw_domain(
            name,
            arguments.root,
            identities=arguments.identities,
            images_per_camera=arguments.images,
            test_identities=arguments.test_identities,
            height=arguments.height,
            width=arguments.width,
        )
        print(path)
