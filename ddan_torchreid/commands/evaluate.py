"""``ddan-torchreid evaluate``: scores weights on every target."""

from __future__ import annotations

import argparse

from yacs.config import CfgNode

from .. import checks, training
from . import configuration

TAKES_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    configuration.add_arguments(parser)
    parser.add_argument("--weights", default="", help="checkpoint to score")


def run(arguments: argparse.Namespace) -> None:
    """Tests on the targets; the sources need not be at hand.

    Raises:
        ValueError: no weights are named.
    """
    config = configuration.load(arguments)
    config.test.evaluate = True
    config.model.load_weights = arguments.weights or config.model.load_weights
    if not config.model.load_weights:
        raise ValueError("nothing to evaluate; give --weights FILE, such as model.pth.tar-100")
    # The weights are all that is needed: neither ImageNet's nor what else a resumed run has.
    config.model.pretrained = False
    config.model.resume = ""
    sources = list(config.data.sources)
    if checks.missing_data(config, sources):
        _without_sources(config)
    engine = training.build(config)
    # torchreid prints for each target whether it is one of the sources.
    engine.datamanager.sources = sources
    configuration.run_engine(config, engine)


def _without_sources(config: CfgNode) -> None:
    print("The sources are not under the data root; testing without them.")
    # torchreid's data manager wants some training set; no image of it is read.
    config.data.sources = config.data.targets[:1]
    config.data.combineall = False
    config.sampler.train_sampler = "RandomSampler"
    config.ddan.weight_triplet = 0.0
    config.ddan.weight_adversarial = 0.0
    config.ddan.weight_similarity = 0.0
