"""Identity labels that are the same in every process and on every machine.

torchreid numbers identities in the order of sets of strings and of unsorted directory listings, so
the numbers change between two runs; a resumed run would then train permuted classifier rows and
identity-pool rows. Here an identity is named by the smallest of its image paths.

In this module ``train`` is the list of a torchreid training set, of ``(path, pid, camid, dsetid)``,
and an image's *relative path* is its path below the deepest directory that holds all images of its
domain, with ``/`` as separator.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import distributed

Item = tuple[str, int, int, int]


def stable_labels(train: Sequence[Item]) -> list[Item]:
    """Relabel and sort a training list, whatever its numbering, its order and its data root.

    Identities are numbered 0 .. N-1 by (dsetid, smallest relative path), and the list is sorted by
    (dsetid, relative path). Paths, camera ids and domains stay as they are. An image may be listed
    several times (torchreid's ``combineall`` lists an image that is both query and gallery twice):
    entries of one path are sorted by camera id and label, and identities that share their smallest
    path are ordered by their remaining paths and camera ids.

    Returns:
        a new list of tuples.
    """
    entries = sorted(
        (dsetid, name, camid, pid, path)
        for (path, pid, camid, dsetid), name in zip(train, _relative_paths(train), strict=True)
    )
    images = defaultdict(list)  # of each identity, in order
    for dsetid, name, camid, pid, _ in entries:
        images[dsetid, pid].append((name, camid))
    in_order = sorted(images, key=lambda identity: (identity[0], images[identity]))
    label = {identity: number for number, identity in enumerate(in_order)}

    relabelled = [(d, name, camid, label[d, pid], path) for d, name, camid, pid, path in entries]
    return [(path, pid, camid, dsetid) for dsetid, _, camid, pid, path in sorted(relabelled)]


def stabilise(dataset: Any) -> bool:
    """Applies `stable_labels` to a torchreid dataset in place; returns whether its list changed.

    ``dataset.train`` keeps being the same list object. In mode ``train`` the images that the
    dataset serves, ``dataset.data``, are that list afterwards, even if they were a copy before.
    """
    stable = stable_labels(dataset.train)
    changed = stable != [tuple(item) for item in dataset.train]
    dataset.train[:] = stable
    if dataset.mode == "train":
        dataset.data = dataset.train
    return changed


def check_training_images(train: Sequence[Item], pairs: bool) -> None:
    """Checks that images with stable labels are the same in all processes and can make ``pairs``.

    Raises:
        ValueError: they are not, or a loss needs two images of one identity and none has two.
    """
    if distributed.active() and distributed.differs(label_digest(train)):
        raise ValueError(
            "the processes find different training images; give all of them the same data"
        )
    if pairs and np.bincount([item[1] for item in train]).max() < 2:
        raise ValueError(
            "no identity of the sources has two images, so the triplet term has no positive "
            "pair; check the sources, or write weight_triplet 0.0"
        )


def label_digest(train: Sequence[Item]) -> str:
    """SHA-256 of the sorted ``(dsetid, relative path, pid)``, one line each, in hexadecimal.

    Two runs may share classifier and identity-pool rows if and only if their digests are equal;
    order of the list, data root and camera ids do not matter.
    """
    names = _relative_paths(train)
    lines = sorted((item[3], name, item[1]) for item, name in zip(train, names, strict=True))
    text = "".join(f"{dsetid}\t{name}\t{pid}\n" for dsetid, name, pid in lines)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def identity_names(train: Sequence[Item], sources: Sequence[str]) -> list[str]:
    """Name of each identity, by pid: that of its source, and the smallest relative path in it."""
    smallest: dict[int, str] = {}
    for (_, pid, _, dsetid), name in zip(train, _relative_paths(train), strict=True):
        name = f"{sources[dsetid]}/{name}"
        smallest[pid] = min(name, smallest.get(pid, name))
    return [smallest[pid] for pid in sorted(smallest)]


def identity_domains(train: Sequence[Item]) -> NDArray[np.int64]:
    """(N,) domain (``dsetid``) of each identity of a list with stable labels."""
    domains = sorted({(pid, dsetid) for _, pid, _, dsetid in train})
    return np.array([dsetid for _, dsetid in domains], dtype=np.int64)


def _relative_paths(train: Sequence[Item]) -> list[str]:
    paths = [os.fspath(item[0]).replace("\\", "/") for item in train]
    by_domain = defaultdict(list)
    for item, path in zip(train, paths, strict=True):
        by_domain[item[3]].append(path)
    # Up to its last separator, what the paths begin with is the directory that they share.
    cut = {
        dsetid: os.path.commonprefix(domain).rfind("/") + 1  # noqa: RUF071
        for dsetid, domain in by_domain.items()
    }
    return [path[cut[item[3]] :] for item, path in zip(train, paths, strict=True)]
