"""``ddan-torchreid extract``: features of one's own crops, without labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from ..data.loose_images import find_images
from ..inference.features import extract
from ..inference.trained_model import TrainedModel, load_trained_model
from ..models import shipped
from ..system.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="files, folders (with all below) and globs; no labels needed",
    )
    parser.add_argument("-o", "--output", default="features.npz", help="file to write (.npz)")
    parser.add_argument("--raw", action="store_true", help="do not L2-normalise the features")
    add_model_arguments(parser)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what every command that extracts features takes."""
    add_weights_arguments(parser, "--weights")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=4, help="processes that read images")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; a GPU where there is one")


def add_weights_arguments(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """Adds the checkpoint, by default that of the package, and the size of its images."""
    text = "checkpoint, such as model.pth.tar-100; without one, the weights of the package"
    parser.add_argument(name, default=shipped.NAME, help=text, **options)
    parser.add_argument("--height", type=int, help="of the images; the checkpoint's, or 256")
    parser.add_argument("--width", type=int, help="of the images; the checkpoint's, or 128")


def load(arguments: argparse.Namespace) -> TrainedModel:
    """The model that the flags name."""
    shipped.announce(arguments.weights)
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return load_trained_model(arguments.weights, arguments.height, arguments.width, device)


def run(arguments: argparse.Namespace) -> int:
    """Extracts and writes; returns 1 when a file could not be read.

    Raises:
        ValueError: the output is not named ``.npz``.
    """
    output = Path(arguments.output)
    if output.suffix != ".npz" or output.is_dir():
        raise ValueError(f"{output} is no name for a file of features; write, say, features.npz")
    paths = find_images(arguments.images)
    # The file is begun first, so a folder that cannot be written to shows before the work.
    with replacing(output) as unfinished:
        trained = load(arguments)
        table, skipped = extract(
            trained, paths, not arguments.raw, arguments.batch_size, arguments.workers
        )
        table.save(unfinished)
    print(f"{output}: {table.features.shape[0]} images, {table.features.shape[1]} numbers each")
    if skipped:
        print(f"{skipped} of {len(paths)} files could not be read")
    return int(skipped > 0)
