"""Writes a Markdown page, with plots, on what experiments have found.

    python tools/report.py runs/experiments
    python tools/report.py docs/photographs --markdown docs/photographs.md

The words are a template's: ``page.md.j2`` beside the records, or else one for every study.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.report import page


def main(words: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 with one line where there is nothing to report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="DIR", type=Path, help="output folder of experiments")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="default: DIR/report.md")
    arguments = parser.parse_args(words)
    path = arguments.markdown or arguments.folder / "report.md"
    try:
        page.write(arguments.folder, path)
    except OSError as error:
        print(f"report.py: error: {error}", file=sys.stderr)
        return 2
    print(f"Report: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
