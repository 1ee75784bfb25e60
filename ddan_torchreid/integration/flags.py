"""The flags of torchreid's ``scripts/main.py``, for every command with a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from ..config import schema
from ..config.keys import SCHEMA
from . import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags; what follows as KEY VALUE pairs changes any key of the configuration."""
    parser.usage = f"{parser.prog} --config-file FILE [flags] [KEY VALUE ...]"
    parser.epilog = (
        "KEY VALUE pairs change any key of the configuration, such as train.lr 0.05; values are "
        "read as in a file"
    )
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
        help="own data: a folder in Market-1501's layout, or a CSV with path,pid,camid; repeat the "
        "flag for each dataset",
    )


def load(arguments: argparse.Namespace, only: str = "") -> CfgNode:
    """Merges file, flags and pairs, in this order, into the default configuration.

    Args:
        arguments: of the command line.
        only: ``'sources'`` or ``'targets'`` where no other dataset is read, so that the
            ``--dataset`` of another need not be there.

    Raises:
        ValueError, FileNotFoundError: the file, a key or a value is not valid.
    """
    pairs = list(arguments.rest)
    names = {}
    for flag in ("sources", "targets", "transforms"):
        words = getattr(arguments, flag) or []
        # A misspelt key after `-t viper` is no target: names have no dots, keys have.
        first = next((place for place, word in enumerate(words) if "." in word), len(words))
        names[flag], pairs = words[:first], pairs + words[first:]
    _check_one_dataset_a_flag(arguments.dataset, pairs)
    configuration = schema.get_default_config()
    if arguments.config_file:
        schema.merge_file(configuration, schema.find_file(arguments.config_file))
    if arguments.root:
        configuration.data.root = arguments.root
    if arguments.central_domain:
        configuration.ddan.central_domain = arguments.central_domain
    configuration.data.update({flag: words for flag, words in names.items() if words})
    schema.merge_options(configuration, pairs)
    registry.register_own(arguments.dataset, configuration.data[only] if only else None)
    return configuration


def take_pairs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes KEY VALUE pairs of known keys out of a command line, wherever they stand.

    A flag that takes several words, such as ``-t viper train.lr 0.1``, would take them for its own,
    and of a key that is written twice the last value counts, so the order matters.

    Args:
        words: of the command line.

    Returns:
        The pairs in their order, and the words that are left.
    """
    pairs: list[str] = []
    others: list[str] = []
    rest = list(words)
    while rest:
        pair = rest[0] in SCHEMA and len(rest) > 1 and not rest[1].startswith("--")
        taken = rest[: 1 + pair]
        (pairs if pair else others).extend(taken)
        del rest[: len(taken)]
    return pairs, others


def _check_one_dataset_a_flag(datasets: Sequence[str], words: Sequence[str]) -> None:
    more = [word for word in words[::2] if "=" in word and word.partition("=")[0] not in SCHEMA]
    if datasets and more:
        flags = " ".join(f"--dataset {each}" for each in (datasets[-1], more[0]))
        raise ValueError(f"--dataset takes one NAME=PATH; repeat the flag: {flags}")
