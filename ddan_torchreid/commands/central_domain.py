"""``ddan-torchreid central-domain``: Eq. 3 under a model's features."""

from __future__ import annotations

import argparse

from ..evaluation import central_domain_choice
from ..integration import builder, checks, flags, registry
from ..models import shipped

TAKES_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    flags.add_arguments(parser)
    parser.add_argument("--weights", default="", help="checkpoint of the baseline model")
    parser.add_argument("--samples", type=int, default=1000, help="images of each source")


def run(arguments: argparse.Namespace) -> None:
    """Prints the matrix of Table 2 and the choice; the targets need not be at hand.

    Raises:
        ValueError: too few samples, or a configuration that cannot work.
    """
    config = flags.load(arguments, only="sources")
    if arguments.samples < 2:
        raise ValueError(f"--samples {arguments.samples} is too few; give 2 or more")
    if arguments.weights:
        shipped.announce(arguments.weights)
        config.model.load_weights = arguments.weights
        config.model.pretrained = False
    config.loss.name = "ddan"
    config.ddan.central_domain = "auto"
    # Nothing is ranked: neither the memory nor the targets for it need be there.
    config.test.rerank = False
    checks.check_dataset_names("data.sources", config.data.sources)
    config.data.targets = [registry.register_stand_in(config.data.sources[0], "train")]
    engine = builder.build(config)
    choice = central_domain_choice.choose_central_domain(
        engine.model,
        engine.datamanager,
        engine.device,
        max_samples=arguments.samples,
        seed=config.train.seed,
    )
    print(f"Central domain: {choice}")
