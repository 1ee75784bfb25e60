"""Makes a table or figure of the paper: trains each row with each seed and writes records.

    python tools/experiment.py table5 --root reid-data --config-file ddan_no_duke.yaml
    python tools/experiment.py photographs --root photographs --jobs 2
    python tools/report.py runs/experiments

Kill it at any moment and start it again: finished runs are not repeated, and those under way go on
from their newest checkpoints. With ``--jobs N`` set OMP_NUM_THREADS to the cores of each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments import plan, runner

from ddan_torchreid.integration.flags import take_pairs


def main(words: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 with one line where the input cannot work."""
    # KEY VALUE pairs may stand anywhere among the flags.
    pairs, others = take_pairs(sys.argv[1:] if words is None else words)
    arguments = _parser().parse_args(others)
    options = plan.Options(
        experiment=arguments.experiment,
        root=Path(arguments.root).expanduser(),
        output=Path(arguments.output).expanduser(),
        seeds=arguments.seeds,
        rows=[row for row in arguments.rows.split(",") if row],
        jobs=arguments.jobs,
        config_file=arguments.config_file,
        central_domain=arguments.central_domain,
        datasets=arguments.dataset,
        rescore=arguments.rescore,
        pairs=pairs,
    )
    try:
        runner.carry_out(options)
    except (ValueError, OSError) as error:
        print(f"experiment.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"Records are in {options.output}; python tools/report.py {options.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="KEY VALUE pairs change any key of the configuration, such as train.lr 0.05",
        allow_abbrev=False,
    )
    parser.add_argument("experiment", metavar="NAME", help=", ".join(plan.TITLES))
    parser.add_argument("--root", default="reid-data", help="data root")
    parser.add_argument("--output", default="runs/experiments", help="folder for all results")
    parser.add_argument("--rows", default="", metavar="ROW,ROW", help="only these rows")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each row at the most")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument(
        "--config-file", default=plan.PAPER, metavar="FILE", help="what the rows change"
    )
    parser.add_argument(
        "--central-domain",
        default="",
        metavar="SOURCE|auto",
        help="auto: by Eq. 3, once for all rows, from the network before training",
    )
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="NAME=PATH", help="own data"
    )
    parser.add_argument(
        "--rescore", action="store_true", help="score finished runs again, from their weights"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
