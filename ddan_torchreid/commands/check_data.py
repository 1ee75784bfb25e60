"""``ddan-torchreid check-data``: are the datasets under a data root whole and readable."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..config.options import nearest
from ..data.datasets import check, split_files
from ..data.datasets.published import DATASETS
from ..data.loose_images import printable

SHOWN = 3  # details of a problem; those of a note, and more, are for --all-files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="datasets, or NAME=PATH for a folder or CSV file; by default all that are there",
    )
    parser.add_argument("--root", default="reid-data", help="data root")
    parser.add_argument(
        "--fix-splits",
        action="store_true",
        help="let split files that hold paths of another data root point to this one, and put "
        "aside those that were drawn without all images, for torchreid to draw them again",
    )
    parser.add_argument("--all-files", action="store_true", help="list every file of every finding")


def run(arguments: argparse.Namespace) -> int:
    """Prints what is there and what is wrong; returns 0 if nothing is, 1 otherwise.

    Raises:
        ValueError: a name is unknown, or own data is not valid.
        FileNotFoundError: there is nothing to check.
    """
    root = Path(os.path.abspath(arguments.root))
    names = arguments.names or [
        name for name, dataset in DATASETS.items() if (root / dataset.folder).exists()
    ]
    for name in names:
        if "=" not in name and name not in DATASETS:
            raise ValueError(
                f"dataset {name!r} is unknown; {nearest(name, list(DATASETS))}; for own data write "
                f"{name}=PATH"
            )
    if not names:
        raise FileNotFoundError(f"there is no known dataset under {root}; give another --root")
    reports = []
    for name in names:
        if name not in DATASETS:
            own, _, path = name.partition("=")
            reports.append(check.check_own(own, path))
        else:
            for line in split_files.mend(name, root) if arguments.fix_splits else ():
                print(line)
            reports.append(check.check_published(name, root))
        _print_report(reports[-1], arguments.all_files)
    for finding in check.shared_images(reports):
        _print_finding("note", finding, root, arguments.all_files)
    wrong = [report.name for report in reports if report.problems]
    if wrong:
        print(f"{len(wrong)} of {len(reports)} datasets have problems: {', '.join(wrong)}")
    else:
        print(f"no problems in {len(reports)} dataset{'s' * (len(reports) > 1)}")
    return int(bool(wrong))


def _print_report(report: check.Report, all_files: bool) -> None:
    print(f"{report.name}  {report.place}")
    for count in report.counts:
        remark = "as published" if count.as_published else ""
        if count.published_images and not remark:
            remark = f"published: {count.published_images:,} of {count.published_persons:,}"
        line = (
            f"  {count.part:<9}{count.images:>7,} images of {count.persons:>6,} persons  {remark}"
        )
        print(line.rstrip())
    for kind, findings in (("problem", report.problems), ("note", report.notes)):
        for finding in findings:
            _print_finding(kind, finding, report.place, all_files)
    if not report.problems:
        print("  no problems")
    print()


def _print_finding(kind: str, finding: check.Finding, place: Path, all_files: bool) -> None:
    print(f"  {kind}: {finding.text}")
    few = SHOWN if kind == "problem" else 0
    shown = finding.details if all_files else finding.details[:few]
    for detail in shown:
        print(f"      {printable(detail.replace(f'{place}{os.sep}', ''))}")
    if shown and (more := len(finding.details) - len(shown)):
        print(f"      and {more:,} more (--all-files lists them)")
