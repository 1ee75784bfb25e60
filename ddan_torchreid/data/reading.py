"""Safe reading of a data manager's images: a bad file is an error at once, or is left out.

torchreid's own reader tries again for ever on a file that is truncated, empty or no image.
"""

from __future__ import annotations

import os
from bisect import bisect
from collections import defaultdict
from collections.abc import Container, Sequence
from typing import Any

import torchreid

from .loose_images import printable, read_image, read_pixels
from .order import augmentation
from .transforms import PaperAugmentation


class UnreadableImageError(ValueError):
    """An image file cannot be read; the message is one line with the path and the reason.

    A worker process of a ``DataLoader`` sends its traceback instead of the message, which torch
    hands to this class again; only the line that the traceback ends with is kept.
    """

    def __init__(self, message: str) -> None:
        *_, last = message.strip().splitlines()
        super().__init__(last.rpartition(f"{type(self).__name__}: ")[2])


class SafeImageDataset(torchreid.data.ImageDataset):
    """torchreid's image dataset, with the same items, that does not try for ever to read a file.

    Being a class of a module, it reaches worker processes that are spawned as well as forked ones.
    """

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Item of torchreid's: ``img``, ``pid``, ``camid``, ``impath`` and ``dsetid``.

        Raises:
            UnreadableImageError: the image cannot be read.
        """
        path, pid, camera, domain = self.data[index]
        try:
            fast = isinstance(self.transform, PaperAugmentation)
            image: Any = read_pixels(path) if fast else read_image(path)
        except ValueError as error:
            raise UnreadableImageError(
                f"{error}; repair or delete it, or write ddan.bad_images skip to train DDAN "
                "without it"
            ) from None
        if self.transform is not None:
            with augmentation(index):
                image = self._transform_image(self.transform, self.k_tfm, image)
        return {"img": image, "pid": pid, "camid": camera, "impath": path, "dsetid": domain}


def sets_of(datamanager: Any) -> list[torchreid.data.ImageDataset]:
    """The training set of a data manager, and the query sets and galleries of its targets."""
    targets = datamanager.test_loader.values()
    tests = [loader.dataset for loaders in targets for loader in loaders.values()]
    return [datamanager.train_loader.dataset, *tests]


def read_safely(datamanager: Any) -> None:
    """Gives the sets of a data manager, whose loaders have not started, the safe reader, in place.

    A dataset with a ``__getitem__`` of its own keeps it. The class changes, not the object, because
    loaders and samplers hold the object.
    """
    for dataset in sets_of(datamanager):
        if type(dataset).__getitem__ is torchreid.data.ImageDataset.__getitem__:
            dataset.__class__ = SafeImageDataset


def check_present(datamanager: Any) -> None:
    """Looks whether the images that the sets list are there: some lists are not made of files.

    Raises:
        ValueError: some are not; one line with their number and one of them.
    """
    paths = (item[0] for dataset in sets_of(datamanager) for item in dataset.data)
    if absent := [path for path in dict.fromkeys(paths) if not os.path.isfile(path)]:
        raise ValueError(
            f"{len(absent)} images are not there, such as {printable(absent[0])}; get the whole "
            "dataset (ddan-torchreid check-data shows what is missing), or write ddan.bad_images "
            "skip to do without them"
        )


def skip_unreadable(datamanager: Any, training: bool = True) -> None:
    """Reads every image once, and leaves out those that cannot be read.

    Prints a line for each of them, with its path, the reason and what was done.

    In the training set the next readable image of the same identity takes the place of a bad one,
    so that batches of P identities x K images stay what they are; for an identity without any it
    is the next readable image of the same domain, with its own identity. ``dataset.train``, which
    samplers and labels are made of, keeps the bad image. Query and gallery become shorter.

    Args:
        datamanager: one that `read_safely` was applied to, and whose loaders have not started.
        training: whether to look at the training set too.

    Raises:
        ValueError: a training domain, a query set or a gallery has no readable image.
    """
    sets = {}
    if training:
        sets["training"] = datamanager.train_loader.dataset
    for name, subsets in datamanager.test_loader.items():
        sets |= {f"{subset} of {name}": loader.dataset for subset, loader in subsets.items()}
    sets = {name: each for name, each in sets.items() if isinstance(each, SafeImageDataset)}
    print("=> Reading every image once (ddan.bad_images skip)")
    bad = {}  # reasons by path
    for path in {item[0] for dataset in sets.values() for item in dataset.data}:
        try:
            read_image(path)
        except ValueError as error:
            bad[path] = str(error)
    actions = defaultdict(list)
    for name, dataset in sets.items():
        if dataset.mode == "train":
            dataset.data, substitutes = _substitute(dataset.data, bad)
            for path, substitute in substitutes.items():
                actions[path].append(f"in {name}, {printable(substitute)} takes its place")
            continue
        for path in {item[0] for item in dataset.data} & bad.keys():
            actions[path].append(f"left out of {name}")
        # In place: the data manager shows the same list to the pictures of ranked results.
        dataset.data[:] = [item for item in dataset.data if item[0] not in bad]
        if not dataset.data:
            raise ValueError(f"no image can be read in {name}")
    report = [f"{bad[path]}; {'; '.join(done)}" for path, done in sorted(actions.items())]
    print("\n".join([f"=> {len(report)} images cannot be read", *report]))


def _substitute(items: Sequence[Any], bad: Container[str]) -> tuple[list[Any], dict[str, str]]:
    """The items, all readable, and the path that took the place of each bad one."""
    good: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, (path, pid, _, domain) in enumerate(items):
        if path not in bad:
            good[domain, pid].append(position)
            good[domain,].append(position)
    readable, substitutes = list(items), {}
    for position, (path, pid, _, domain) in enumerate(items):
        if path in bad:
            positions = good.get((domain, pid)) or good.get((domain,))
            if not positions:
                raise ValueError(
                    f"a source has no readable training image, such as {printable(path)}"
                )
            following = positions[bisect(positions, position) % len(positions)]
            readable[position] = items[following]
            substitutes[path] = items[following][0]
    return readable, substitutes
