"""Training images that are also query or gallery images, or another source's, by their bytes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..loose_images import printable
from ..reading import sets_of


def find_shared(sets: Sequence[Iterable[str]]) -> list[tuple[str, str, int, int]]:
    """Files of a set of images with the same bytes as a file of an earlier set.

    Only files of a size that occurs in several sets are read. Missing and empty files are no
    images and are left out.

    Returns:
        For each such file, in the given order, once: the first file of an earlier set with its
        content, the file, and the numbers of both sets.
    """
    sizes = [
        {path: os.path.getsize(path) for path in dict.fromkeys(paths) if os.path.isfile(path)}
        for paths in sets
    ]
    counts = Counter(size for own in sizes for size in set(own.values()))
    first: dict[bytes, tuple[int, str]] = {}
    shared = []
    for number, own in enumerate(sizes):
        for path, size in own.items():
            if size and counts[size] > 1:
                digest = hashlib.blake2b(Path(path).read_bytes()).digest()
                source, earlier = first.setdefault(digest, (number, path))
                if source != number:
                    shared.append((earlier, path, source, number))
    return shared


def note_shared_images(datamanager: Any) -> None:
    """Prints one line when a source of a data manager has images that another one has too.

    Each identity of such images is two classes, and one image has to distinguish two domains.
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
    """Looks for training images among the query and gallery images of a data manager's targets.

    Args:
        datamanager: a ``torchreid.data.ImageDataManager``.
        allow: print what was found and go on.

    Raises:
        ValueError: there are some; one line with their number, a pair and what to write.
    """
    training, *tests = sets_of(datamanager)
    tested = [item[0] for dataset in tests for item in dataset.data]
    leaks = find_shared([[item[0] for item in training.data], tested])
    if not leaks:
        return
    train, test = map(printable, leaks[0][:2])
    found = (
        f"{len(leaks)} query or gallery images are training images too, such as {test} "
        f"(in training: {train}), so that the scores would be too high"
    )
    if not allow:
        raise ValueError(
            f"{found}; take them out of one side, or write ddan.allow_leaks True to go on"
        )
    print(f"=> Allowed by ddan.allow_leaks: {found}")
