"""``ddan-torchreid convert``: the authors' released weights as a checkpoint of this package."""

from __future__ import annotations

import argparse

from ..data.datasets.download import WEIGHTS, download
from ..models import convert_official


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.usage = f"{parser.prog} (--official FILE | --download) OUT"
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--official", metavar="FILE", help="the file that the authors released")
    source.add_argument("--download", action="store_true", help="fetch that file first")
    parser.add_argument("--root", default="reid-data", help="data root, for the download")
    parser.add_argument("out", metavar="OUT", help="checkpoint to write")


def run(arguments: argparse.Namespace) -> None:
    """Converts, and prints how many tensors went where."""
    path = arguments.official or download(WEIGHTS, arguments.root)
    print(convert_official(path, arguments.out))
