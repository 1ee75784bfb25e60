"""``ddan-torchreid evaluate``: scores weights on every target."""

from __future__ import annotations

import argparse
from pathlib import Path

from yacs.config import CfgNode

from ..config.schema import arguments as arguments_of
from ..config.schema import forget_training, settings_of, shipped_file
from ..config.settings import DDANSettings
from ..evaluation import evaluate_configured
from ..integration import builder, checks, flags, registry
from ..models import shipped
from ..system import state_files
from ..system.folder_lock import make_folder

TAKES_OPTIONS = True
IN_SEVERAL_PROCESSES = True

# What flags set under ddan:, by the same names.
KEYS = ("evaluation_splits", "splits_from", "splits_seed", "viper_a_to_b", "legacy_metrics")
PAPER_SPLITS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    flags.add_arguments(parser)
    parser.add_argument(
        "--weights", default="", help="checkpoint to score; without one, the weights of the package"
    )
    parser.add_argument(
        "--splits",
        dest="evaluation_splits",
        type=int,
        metavar="N",
        help="score VIPeR, PRID, GRID and i-LIDS on N single-shot splits; the paper's number is 10",
    )
    parser.add_argument(
        "--splits-from",
        metavar="WHERE",
        help="'torchreid' for the splits it has stored, or a folder 'splits' that --output wrote",
    )
    parser.add_argument("--splits-seed", type=int, metavar="S", help="draw other splits; usually 0")
    parser.add_argument(
        "--a-to-b",
        dest="viper_a_to_b",
        action="store_true",
        default=None,
        help="VIPeR with camera A's images as queries only, not in both directions",
    )
    parser.add_argument(
        "--legacy-metrics",
        action="store_true",
        default=None,
        help="also the columns of the released code: ranks 2 and 6, trapezoid AP",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="write tables (JSON, CSV, Markdown) and splits there (default: save_dir/evaluation)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Tests on the targets, without the sources, which need not be at hand.

    Raises:
        ValueError: a target is unknown, or options do not fit each other.
    """
    pairs = dict(zip(arguments.rest[::2], arguments.rest[1::2], strict=False))
    named = arguments.weights or pairs.get("model.load_weights", shipped.NAME)
    if not arguments.config_file and named == shipped.NAME:
        arguments.config_file = str(shipped_file("ddan_strong.yaml"))  # of the shipped weights
    config = flags.load(arguments, only="targets")
    config.test.evaluate = True
    if config.model.resume and not (arguments.weights or config.model.load_weights):
        raise ValueError("model.resume is for training; write --weights FILE to score a checkpoint")
    config.model.load_weights = arguments.weights or config.model.load_weights or shipped.NAME
    shipped.announce(config.model.load_weights)
    forget_training(config)
    settings = _settings(config, arguments)
    # The weights are all that is needed: neither ImageNet's nor what else a resumed run has.
    config.model.pretrained = False
    config.model.resume = ""
    checks.check_dataset_names("data.targets", config.data.targets)
    # torchreid's data manager wants some training set; no image of it is read. Not a target's own:
    # it may have none, and images that are listed without splits must not be in both.
    print("Testing without the sources; what is loaded as one below only stands in for them.")
    sources = list(config.data.sources)
    config.data.sources = [registry.register_stand_in(config.data.targets[0], "query")]
    engine = builder.build(config)
    _say_other_size(config)
    # torchreid prints for each target whether it is one of the sources.
    config.data.sources = engine.datamanager.sources = sources
    options = arguments_of(config, "run")
    output = arguments.output or Path(config.data.save_dir) / "evaluation"
    with builder.log_file(config):
        if settings.follows_protocol:
            # Not through the engine, so that models of torchreid's own engines are scored alike.
            evaluate_configured(engine.model, engine.datamanager, settings, output, **options)
        else:
            engine.run(**options)


def _settings(config: CfgNode, arguments: argparse.Namespace) -> DDANSettings:
    for key in KEYS:
        if getattr(arguments, key) is not None:
            config.ddan[key] = getattr(arguments, key)
    if arguments.splits_from and not config.ddan.evaluation_splits:
        config.ddan.evaluation_splits = PAPER_SPLITS
    settings = settings_of(config)
    if not settings.follows_protocol and arguments.output:
        raise ValueError(
            "--output is for the tables of several splits; add --splits 10, which scores targets "
            "without random splits once"
        )
    if arguments.output:
        make_folder(Path(arguments.output), "--output")  # not after minutes of work
    return settings


def _say_other_size(config: CfgNode) -> None:
    details = state_files.details(state_files.read(config.model.load_weights, mmap=True))
    size = config.data.height, config.data.width
    trained = details.get("height", size[0]), details.get("width", size[1])
    if trained != size:
        print(
            f"The weights are of training images of {trained[0]} x {trained[1]} pixels, tested at "
            f"{size[0]} x {size[1]}; for the same size write data.height {trained[0]} "
            f"data.width {trained[1]}"
        )
