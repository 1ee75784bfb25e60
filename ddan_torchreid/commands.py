"""What the commands with a configuration file do."""

from __future__ import annotations

import argparse

from yacs.config import CfgNode

from . import central, config, training


def load_configuration(arguments: argparse.Namespace) -> CfgNode:
    """Merges file, flags and options, in this order, into the default configuration."""
    configuration = config.get_default_config()
    if arguments.config_file:
        config.merge_file(configuration, config.find_file(arguments.config_file))
    config.merge_options(configuration, arguments.opts)
    if arguments.root:
        configuration.data.root = arguments.root
    for name in ("sources", "targets", "transforms"):
        if getattr(arguments, name):
            configuration.data[name] = getattr(arguments, name)
    return configuration


def train(arguments: argparse.Namespace) -> None:
    """``ddan-torchreid train``: the flags of torchreid's ``scripts/main.py``."""
    _run(load_configuration(arguments))


def evaluate(arguments: argparse.Namespace) -> None:
    """``ddan-torchreid evaluate``: scores weights on every target.

    Raises:
        ValueError: no weights are named.
    """
    configuration = load_configuration(arguments)
    configuration.test.evaluate = True
    configuration.model.load_weights = arguments.weights or configuration.model.load_weights
    if not (configuration.model.load_weights or configuration.model.resume):
        raise ValueError("nothing to evaluate; give --weights FILE, such as model.pth.tar-100")
    # Trained weights replace ImageNet's, which need not be at hand.
    configuration.model.pretrained = False
    _run(configuration)


def central_domain(arguments: argparse.Namespace) -> None:
    """``ddan-torchreid central-domain``: Eq. 3 under a model's features."""
    configuration = load_configuration(arguments)
    if arguments.weights:
        configuration.model.load_weights = arguments.weights
        configuration.model.pretrained = False
    if arguments.samples < 2:
        raise ValueError(f"--samples {arguments.samples} is too few; give 2 or more")
    configuration.ddan.central_domain = "auto"
    engine = training.build(configuration)
    choice = central.choose_central_domain(
        engine.model,
        engine.datamanager,
        engine.device,
        max_samples=arguments.samples,
        seed=configuration.train.seed,
    )
    print(f"Central domain: {choice}")


def _run(configuration: CfgNode) -> None:
    # What cannot work is said before the log file and its folder exist.
    engine = training.build(configuration)
    with training.log_file(configuration):
        print(f"Configuration\n{configuration}\n")
        engine.run(**config.arguments(configuration, "run"))
