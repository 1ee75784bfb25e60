"""``ddan-torchreid export``: trained weights as an ONNX file or a torch.export program."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..data.loose_images import find_images
from ..inference import export as exporting
from ..inference.trained_model import load_trained_model
from ..models import shipped
from .extract import add_weights_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add_weights_arguments(parser, "weights", nargs="?")
    parser.add_argument("--format", choices=exporting.SUFFIXES, default="onnx")
    parser.add_argument(
        "-o",
        "--output",
        help="file to write (default: beside the checkpoint, and of the package's weights, here)",
    )
    parser.add_argument(
        "--dtype", choices=exporting.DTYPES, default="fp32", help="of the weights; bf16: torch only"
    )
    parser.add_argument(
        "--normalize", action="store_true", help="L2-normalise the features in the exported model"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=exporting.TOLERANCE,
        help="largest difference of a feature to PyTorch's that fp32 may have, as a part of the "
        "largest feature of its image, or of 1",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        default=[],
        help="files, folders or globs to compare on with PyTorch besides noise",
    )


def run(arguments: argparse.Namespace) -> None:
    """Exports, and prints how far the features are from PyTorch's."""
    exporting.check_format(arguments.format, arguments.dtype)
    suffix = exporting.SUFFIXES[arguments.format]
    if arguments.dtype != "fp32":
        suffix = f".{arguments.dtype}{suffix}"
    beside = shipped.FILE.stem if arguments.weights == shipped.NAME else arguments.weights
    out = Path(arguments.output or f"{beside}{suffix}")
    images = find_images(arguments.images) if arguments.images else []
    shipped.announce(arguments.weights)
    trained = load_trained_model(arguments.weights, arguments.height, arguments.width)
    exporting.export(
        trained,
        out,
        arguments.format,
        arguments.dtype,
        arguments.normalize,
        images,
        arguments.tolerance,
    )
    print(
        f"{out} ({out.stat().st_size / 1e6:.1f} MB): images (B, 3, {trained.height}, "
        f"{trained.width}) to features (B, {trained.model.feature_dim})"
    )
