"""``ddan-torchreid train``: what torchreid's ``scripts/main.py`` does, with its flags."""

from __future__ import annotations

import argparse
import contextlib

from ..config.schema import arguments as arguments_of
from ..integration import builder, flags
from ..system.folder_lock import locked
from ..training.checkpoint_store import AUTO, written_files

TAKES_OPTIONS = True
IN_SEVERAL_PROCESSES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of every command with a configuration, and those that go on from a file."""
    flags.add_arguments(parser)
    parser.add_argument(
        "--resume",
        nargs="*",
        metavar="PATH",
        help="continue from a checkpoint, or from the newest complete one in a folder; without a "
        "path, from the newest in data.save_dir, or from the start if there is none",
    )
    parser.add_argument(
        "--fine-tune",
        metavar="PATH",
        help="start from a checkpoint's weights with a new identity head, for other identities; "
        "'ddan' names the weights of the package",
    )


def run(arguments: argparse.Namespace) -> None:
    """Trains, then tests on the targets.

    Raises:
        ValueError: nothing says what to train, both ways to start from a checkpoint are asked for,
            several paths are given, or another run has used ``data.save_dir`` or does so now.
    """
    config = flags.load(arguments)
    if not (arguments.config_file or arguments.sources or arguments.rest):
        raise ValueError("nothing to train; write --config-file FILE, such as ddan_no_duke.yaml")
    if arguments.resume is not None:
        if len(arguments.resume) > 1:
            raise ValueError(f"--resume takes one path, got {' '.join(arguments.resume)}")
        config.model.resume = arguments.resume[0] if arguments.resume else AUTO
    if arguments.fine_tune is not None:
        if arguments.resume is not None:
            raise ValueError("--resume and --fine-tune exclude each other; write one of them")
        if config.loss.name != "ddan":
            raise ValueError("--fine-tune is for loss.name ddan; write model.load_weights PATH")
        config.model.load_weights = arguments.fine_tune
        config.ddan.fine_tune = True
    # A test writes no checkpoint, so it may go on beside a training in the same folder.
    held = contextlib.nullcontext() if config.test.evaluate else locked(config.data.save_dir)
    with held:
        if not config.model.resume and (there := written_files(config.data.save_dir)):
            raise ValueError(
                f"{there[-1]} is of another run, which this one would overwrite; write --resume to "
                "go on with it, or another data.save_dir"
            )
        engine = builder.build(config)
        with builder.log_file(config):
            engine.run(**arguments_of(config, "run"))
