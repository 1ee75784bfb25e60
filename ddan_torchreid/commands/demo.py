"""``ddan-torchreid demo``: baseline against DDAN on drawn pedestrians."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--output", default="runs/demo", help="folder for all that it writes")
    parser.add_argument("--epochs", type=int, help="instead of the shipped configuration's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")


def run(arguments: argparse.Namespace) -> None:
    """Draws, trains, scores, prints the table and writes it."""
    from ..experiments import demo

    demo.run(arguments.output, arguments.epochs, arguments.seed, arguments.quick)
