"""Checks a dataset on disk: folders, counts, every image, duplicates, labels, split files.

Images are read as in training (:mod:`ddan_torchreid.data.loose_images`): torchreid's ``read_image``
tries for ever on a file that is broken.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

from tqdm import tqdm

from ..loose_images import load
from . import listing
from .layouts import Count, count, list_images
from .listing import Shot
from .loading import Finding, obstacles
from .matching import count_matches, explain_no_match
from .published import BACKGROUND, DATASETS
from .split_files import stale_paths


@dataclass
class Report:
    """What a check found; only ``problems`` are to be put right.

    Attributes:
        digests: SHA-256 of every image that can be read, by path.
    """

    name: str
    place: Path
    counts: list[Count] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


def check_published(name: str, root: Path) -> Report:
    """Checks one of the datasets that :mod:`ddan_torchreid.data.datasets.published` knows.

    Args:
        name: a key of ``published.DATASETS``.
        root: torchreid's data root.
    """
    base = Path(os.path.abspath(root)) / DATASETS[name].folder
    report, hindering = Report(name, base), list(obstacles(name, base.parent))
    try:
        found = list_images(name, base.parent)
    except ValueError as error:
        damaged = Finding(str(error))
        report.problems = [damaged, *(each for each in hindering if each != damaged)]
        return report
    if found.missing:
        source = DATASETS[name].source
        report.problems.append(Finding(f"not there (get it: {source})", found.missing))
    if found.shots or not found.missing:
        report.counts = found.counts
    if differing := [each.part for each in report.counts if not each.as_published]:
        text = f"the published numbers differ for {', '.join(differing)}; get the whole dataset"
        report.problems.append(Finding(text))
    _add(report.problems, "images have a name that torchreid cannot read", found.misnamed)
    text = "images are ignored by torchreid because of their extension"
    _add(report.problems, text, found.ignored)
    report.problems += hindering
    with contextlib.suppress(ValueError):  # a damaged split file is a problem already
        for file, moves in stale_paths(name, base).items():
            text = (
                f"{file.name}: {len(moves)} of its paths lead to another data root; --fix-splits "
                "lets them lead to this one, as torchreid alone wants it"
            )
            report.notes.append(Finding(text, list(moves)))
    if found.packed:
        report.notes.append(
            Finding("the images are still packed: torchreid unpacks them when it first loads them")
        )
    else:
        _check_images(report, found.shots)
    return report


def check_own(name: str, path: str) -> Report:
    """Checks a folder or a CSV file, as ``--dataset`` takes it.

    Raises:
        ValueError, FileNotFoundError: see :func:`ddan_torchreid.data.datasets.listing.read`.
    """
    place, shots = listing.read(path)
    splits: dict[str, list[Shot]] = defaultdict(list)
    for shot in shots:
        splits[shot.split or "all"].append(shot)
    report = Report(name, place, [count(split, members) for split, members in splits.items()])
    if "query" in splits and "gallery" in splits:
        columns = [
            [shot[column] for shot in splits[split]]
            for split in ("query", "gallery")
            for column in (1, 2)
        ]
        queries, matched, _, _ = count_matches(*columns)
        if matched < queries:
            target = report.notes if matched else report.problems
            target.append(Finding(explain_no_match(*columns)))
    _check_images(report, shots)
    return report


def shared_images(reports: Sequence[Report]) -> list[Finding]:
    """Images, byte for byte, that two of the datasets have in common."""
    findings: list[Finding] = []
    for number, one in enumerate(reports):
        paths = {digest: path for path, digest in one.digests.items()}
        for other in reports[number + 1 :]:
            common = {digest: path for path, digest in other.digests.items() if digest in paths}
            text = f"images are in {one.name} and in {other.name}: do not train on one and test on"
            copies = [f"{paths[digest]} = {path}" for digest, path in common.items()]
            _add(findings, f"{text} the other", copies)
    return findings


def _check_images(report: Report, shots: Sequence[Shot]) -> None:
    paths = list(dict.fromkeys(shot.path for shot in shots))
    unreadable = []
    with ThreadPool() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of, it can still decode
        results = pool.imap(_digest, paths, chunksize=16)
        # disable=None leaves the bar out where there is no terminal.
        bar = tqdm(results, report.name, len(paths), disable=None, leave=False)
        for path, (digest, problem) in zip(paths, bar, strict=True):
            if problem:
                unreadable.append(f"{path} ({problem})")
            else:
                report.digests[path] = digest
    _add(report.problems, "images cannot be read, and stop training", unreadable)
    tests = {shot.pid for shot in shots if shot.split in ("query", "gallery")}
    both = sorted({shot.pid for shot in shots if shot.split == "train"} & tests)
    _add(report.problems, "persons of train are in query or gallery too", both)
    images = Counter(shot.pid for shot in shots if shot.pid != BACKGROUND)
    single = sorted(pid for pid, number in images.items() if number == 1)
    _add(report.notes, f"of {len(images)} persons have one image only", single)
    _check_copies(report, shots)


def _digest(path: str) -> tuple[str, str]:
    """SHA-256 of an image file, or why it cannot be read."""
    try:
        load(path)
        return hashlib.sha256(Path(path).read_bytes()).hexdigest(), ""
    except (ValueError, OSError) as error:
        return "", str(error)


def _check_copies(report: Report, shots: Sequence[Shot]) -> None:
    groups: dict[str, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.path in report.digests:
            groups[report.digests[shot.path]].append(shot)
    across, labels, copies = [], [], []
    for group in groups.values():
        if len({shot.path for shot in group}) == 1:
            continue
        line = " = ".join(shot.path for shot in group)
        splits = {shot.split for shot in group}
        leaks = "train" in splits and len(splits) > 1
        if leaks:
            across.append(line)
        if len({shot.pid for shot in group} - {BACKGROUND}) > 1:
            labels.append(line)
        elif not leaks:
            copies.append(line)
    _add(report.problems, "images of train are in query or gallery too", across)
    _add(report.problems, "images have a copy that is filed under another person", labels)
    _add(report.notes, "images are there more than once", copies)


def _add(findings: list[Finding], text: str, details: Sequence[str]) -> None:
    if details:
        findings.append(Finding(f"{len(details)} {text}", details))
