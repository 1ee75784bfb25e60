"""The flags of torchreid's ``scripts/main.py``, for every command with a configuration."""

from __future__ import annotations

import argparse
from typing import Any

from yacs.config import CfgNode

from .. import config, integration, training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags; what follows as KEY VALUE pairs changes any key of the configuration."""
    parser.usage = f"{parser.prog} --config-file FILE [flags] [KEY VALUE ...]"
    parser.epilog = "KEY VALUE pairs change any key of the configuration, such as train.lr 0.05"
    parser.add_argument("--config-file", default="", help="YAML file, or the name of a shipped one")
    parser.add_argument("-s", "--sources", nargs="+", help="source datasets")
    parser.add_argument("-t", "--targets", nargs="+", help="target datasets")
    parser.add_argument("--transforms", nargs="+", help="data augmentation")
    parser.add_argument(
        "--central-domain",
        default="",
        metavar="SOURCE|auto",
        help="auto: chosen by Eq. 3 from the model as it is before training",
    )
    parser.add_argument("--root", default="", help="path to the data root")
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="own data: a folder in Market-1501's layout, or a CSV with path,pid,camid",
    )


def load(arguments: argparse.Namespace) -> CfgNode:
    """Merges file, flags and pairs, in this order, into the default configuration.

    Raises:
        ValueError, FileNotFoundError: the file, a key or a value is not valid.
    """
    integration.register_own(arguments.dataset)
    pairs = _pairs_among_names(arguments) + arguments.rest
    configuration = config.get_default_config()
    if arguments.config_file:
        config.merge_file(configuration, config.find_file(arguments.config_file))
    if arguments.root:
        configuration.data.root = arguments.root
    if arguments.central_domain:
        configuration.ddan.central_domain = arguments.central_domain
    for name in ("sources", "targets", "transforms"):
        if getattr(arguments, name):
            configuration.data[name] = getattr(arguments, name)
    config.merge_options(configuration, pairs)
    return configuration


def _pairs_among_names(arguments: argparse.Namespace) -> list[str]:
    # `-t viper model.name X` would take the pair for targets; names have no dots, keys have.
    # `--resume` takes paths, which have dots too, so only a known key ends it.
    keys = config.known_keys(config.get_default_config())
    pairs: list[str] = []
    for flag in ("sources", "targets", "transforms", "resume"):
        words = getattr(arguments, flag, None) or []
        for position, word in enumerate(words):
            if word in keys or ("." in word and flag != "resume"):
                pairs += words[position:]
                setattr(arguments, flag, words[:position])
                break
    return pairs


def run_engine(configuration: CfgNode, engine: Any) -> None:
    """Runs torchreid's loop; ``save_dir`` gets a copy of what it prints.

    The engine is built before, so that what cannot work is said before the log file exists.
    """
    with training.log_file(configuration):
        print(f"Configuration\n{configuration}\n")
        engine.run(**config.arguments(configuration, "run"))
