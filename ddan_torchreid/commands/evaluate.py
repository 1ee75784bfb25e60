"""``ddan-torchreid evaluate``: scores weights on every target."""

from __future__ import annotations

import argparse

from . import configuration

TAKES_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    configuration.add_arguments(parser)
    parser.add_argument("--weights", default="", help="checkpoint to score")


def run(arguments: argparse.Namespace) -> None:
    """Tests on the targets.

    Raises:
        ValueError: no weights are named.
    """
    config = configuration.load(arguments)
    config.test.evaluate = True
    config.model.load_weights = arguments.weights or config.model.load_weights
    if not (config.model.load_weights or config.model.resume):
        raise ValueError("nothing to evaluate; give --weights FILE, such as model.pth.tar-100")
    # Trained weights replace ImageNet's, which need not be at hand.
    config.model.pretrained = False
    configuration.run_engine(config)
