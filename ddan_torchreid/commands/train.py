"""``ddan-torchreid train``: what torchreid's ``scripts/main.py`` does, with its flags."""

from __future__ import annotations

import argparse

from . import configuration

TAKES_OPTIONS = True
add_arguments = configuration.add_arguments


def run(arguments: argparse.Namespace) -> None:
    """Trains, then tests on the targets."""
    configuration.run_engine(configuration.load(arguments))
