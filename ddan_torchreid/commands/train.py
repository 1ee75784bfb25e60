"""``ddan-torchreid train``: what torchreid's ``scripts/main.py`` does, with its flags."""

from __future__ import annotations

import argparse

from .. import training
from . import configuration

TAKES_OPTIONS = True
add_arguments = configuration.add_arguments


def run(arguments: argparse.Namespace) -> None:
    """Trains, then tests on the targets."""
    config = configuration.load(arguments)
    configuration.run_engine(config, training.build(config))
