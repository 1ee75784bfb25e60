"""``ddan-torchreid download``: what the authors link, into torchreid's layout."""

from __future__ import annotations

import argparse

from ..data.datasets.download import FILE_IDS, download


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("name", help=f"one of {', '.join(FILE_IDS)}")
    parser.add_argument("--root", default="reid-data", help="data root")


def run(arguments: argparse.Namespace) -> None:
    """Downloads, unpacks, checks the counts and prints where the data are."""
    print(download(arguments.name, arguments.root))
