"""Training images that are also query or gallery images, or another source's, by their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..loose_images import printable


def find_leaks(train_paths: Iterable[str], test_paths: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a training file and a test file with the same bytes.

    Returns:
        As :func:`find_shared` has them, the training file first.
    """
    return [(train, test) for train, test, *_ in find_shared([train_paths, test_paths])]


def find_shared(sources: Sequence[Iterable[str]]) -> list[tuple[str, str, int, int]]:
    """Files of a source with the same bytes as a file of an earlier one.

    Only files of a size that occurs in several sources are read. Missing and empty files are no
    images and are left out.

    Args:
        sources: the training images of each.

    Returns:
        For each such file, in the given order, once: the first file of an earlier source with its
        content, the file, and the numbers of both sources.
    """
    sizes = [_sizes(paths) for paths in sources]
    counts = Counter(size for own in sizes for size in set(own.values()))
    first: dict[bytes, tuple[int, str]] = {}
    shared = []
    for number, own in enumerate(sizes):
        for path, size in own.items():
            if counts[size] > 1:
                source, earlier = first.setdefault(_digest(path), (number, path))
                if source != number:
                    shared.append((earlier, path, source, number))
    return shared


def note_shared_images(datamanager: Any) -> None:
    """Prints one line when a source has images that another one has too.

    Each identity of such images is two classes, and one image has to distinguish two domains.

    Args:
        datamanager: a ``torchreid.data.ImageDataManager``.
    """
    sources: list[list[str]] = [[] for _ in datamanager.sources]
    for path, _, _, domain in datamanager.train_loader.dataset.data:
        sources[domain].append(path)
    if shared := find_shared(sources):
        earlier, path, one, other = shared[0]
        print(
            f"=> Warning: {len(shared)} training images are in two sources, under two identities, "
            f"such as {printable(path)} of {datamanager.sources[other]} ({printable(earlier)} of "
            f"{datamanager.sources[one]}); take them out of one"
        )


def check_leaks(datamanager: Any, allow: bool = False) -> None:
    """Looks for training images among the query and gallery images of all targets.

    Args:
        datamanager: a ``torchreid.data.ImageDataManager``.
        allow: print what was found and go on.

    Raises:
        ValueError: there are some; one line with their number, a pair and what to write.
    """
    loaders = [loader for sets in datamanager.test_loader.values() for loader in sets.values()]
    leaks = find_leaks(
        [item[0] for item in datamanager.train_loader.dataset.data],
        [item[0] for loader in loaders for item in loader.dataset.data],
    )
    if not leaks:
        return
    trained, tested = map(printable, leaks[0])
    found = (
        f"{len(leaks)} query or gallery images are training images too, such as {tested} "
        f"(in training: {trained}), so that the scores would be too high"
    )
    if not allow:
        raise ValueError(
            f"{found}; take them out of one side, or write ddan.allow_leaks True to go on"
        )
    print(f"=> Allowed by ddan.allow_leaks: {found}")


def _sizes(paths: Iterable[str]) -> dict[str, int]:
    sizes = {}
    for path in dict.fromkeys(paths):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size:
            sizes[path] = status.st_size
    return sizes


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read()).digest()
