"""``ddan-torchreid report``: one page on what experiments have found."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..report import contents, markdown, page, results
from ..system.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("folder", metavar="DIR", help="output folder of experiments")
    parser.add_argument("--output", metavar="FILE", help="HTML page; default DIR/report.html")
    parser.add_argument(
        "--markdown",
        metavar="FILE",
        help="write Markdown, with its pictures in a folder beside it; no page unless --output",
    )
    parser.add_argument(
        "--brief",
        action="store_true",
        help="without the curves of training and the pictures whose numbers stand in tables",
    )
    parser.add_argument(
        "--root",
        metavar="DATA",
        help="data root of the experiments, for the photographs of ranked results; none outside it "
        "is opened",
    )


def run(arguments: argparse.Namespace) -> None:
    """Writes the page, the Markdown or both.

    Raises:
        FileNotFoundError: the folder has no results, or there is no such data root.
        ValueError: a record is not what experiments write.
    """
    found = results.load(arguments.folder)
    if arguments.root and not Path(arguments.root).is_dir():
        raise FileNotFoundError(f"--root: there is no folder {arguments.root}")
    written = contents.report(found, arguments.root, arguments.brief)
    if arguments.output or not arguments.markdown:
        path = Path(arguments.output or Path(arguments.folder) / "report.html")
        with replacing(path) as temporary:
            temporary.write_text(page.render(written), encoding="utf-8")
        print(f"Report: {path}")
    if arguments.markdown:
        markdown.write(written, Path(arguments.markdown))
        print(f"Report: {arguments.markdown}")
