"""``ddan-torchreid experiment``: the tables and figures of the paper, and benchmark protocols."""

from __future__ import annotations

import argparse
from pathlib import Path

TAKES_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags; KEY VALUE pairs change any key of the configuration of every row."""
    parser.usage = f"{parser.prog} EXPERIMENT [flags] [KEY VALUE ...]"
    parser.epilog = "KEY VALUE pairs change any key of the configuration, such as train.lr 0.05"
    parser.add_argument(
        "experiment",
        help="table1 to table5, figure2, figure3, sampler (ours against torchreid's), precision "
        "(half precision against float32), search (settings, on validation domains) or protocol",
    )
    parser.add_argument("--root", default="reid-data", help="data root; rendered data is made here")
    parser.add_argument("--output", default="runs/experiments", help="folder for all results")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each row, seeds 1, 2, ...")
    parser.add_argument(
        "--domains",
        choices=("real", "rendered"),
        default="",
        help="default: real where the data root holds the paper's nine datasets",
    )
    parser.add_argument(
        "--scale",
        choices=("tiny", "small", "medium", "large"),
        default="small",
        help="of the rendered domains: people, images, targets, network, epochs",
    )
    parser.add_argument(
        "--targets",
        choices=("targets", "validation"),
        default="targets",
        help="validation: the domains for choosing settings, instead of the targets",
    )
    parser.add_argument("--rows", default="", metavar="ROW,ROW", help="only these rows")
    parser.add_argument("--in-bn", action="store_true", help="table5: the same rows with IN/BN too")
    parser.add_argument(
        "--name",
        default="classic",
        help="protocol: classic, no-duke, or protocol2 and protocol3 (leave one out)",
    )
    parser.add_argument(
        "--initial-weights",
        default="",
        metavar="FILE|pretrain",
        help="weights that every row starts from; pretrain: trained first on rendered domains "
        "that are neither sources nor targets",
    )
    parser.add_argument("--pretrain-epochs", type=int, help="default: as many as a row has")
    parser.add_argument(
        "--average-last", type=int, default=0, metavar="E", help="average the last epochs' weights"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="training runs, and domains drawn, at the same time"
    )
    parser.add_argument(
        "--allow-other-counts",
        action="store_true",
        help="real datasets: go on with other numbers of images than the published ones",
    )
    parser.add_argument(
        "--rescore",
        action="store_true",
        help="score finished runs again, from their weights, for what this version measures",
    )


def run(arguments: argparse.Namespace) -> None:
    """Trains what is missing, prints the table and writes it."""
    from ..experiments import runner
    from ..experiments.runs import Options

    runner.run(
        Options(
            experiment=arguments.experiment,
            root=Path(arguments.root).expanduser(),
            output=Path(arguments.output).expanduser(),
            seeds=arguments.seeds,
            domains=arguments.domains,
            scale=arguments.scale,
            targets=arguments.targets,
            rows=[row for row in arguments.rows.split(",") if row],
            in_bn=arguments.in_bn,
            protocol=arguments.name,
            initial_weights=arguments.initial_weights,
            pretrain_epochs=arguments.pretrain_epochs,
            average_last=arguments.average_last,
            jobs=arguments.jobs,
            allow_other_counts=arguments.allow_other_counts,
            rescore=arguments.rescore,
            pairs=arguments.rest,
        )
    )
