"""The order of an epoch that can be entered anywhere, with each image's augmentation fixed by it.

An epoch that is resumed after n batches has to go on as if it had not stopped: the same images
follow, augmented the same. So neither may depend on what the process has drawn before, nor on the
worker that loads an image. The indices of an epoch are drawn at once, from a generator seeded by
(seed, epoch), and each carries the seed of its own augmentation, a function of (seed, epoch,
position).
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler, get_worker_info


class Draw(int):
    """An index into a dataset, for one draw of an epoch, with the seed of its augmentation."""

    seed: int

    def __new__(cls, index: int, seed: int) -> Draw:
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __reduce__(self) -> tuple[type[Draw], tuple[int, int]]:
        # Worker processes get their indices pickled.
        return Draw, (int(self), self.seed)


def augmentation(index: int) -> contextlib.AbstractContextManager[None]:
    """Seeds the global CPU generators for one image and restores them; a plain index changes none.

    torchvision draws from PyTorch's generator and torchreid's transforms from Python's. What a
    transform keeps from image to image, such as the patches of torchreid's ``random_patch``, is
    not covered.
    """
    return _seeded(index.seed) if isinstance(index, Draw) else contextlib.nullcontext()


class EpochOrder(Sampler):
    """A sampler whose epochs are functions of ``(seed, epoch)`` and can start at any position.

    Wraps any sampler (one with ``set_epoch`` is given the epoch) and passes everything else on to
    it. With a seed, the indices of an epoch are drawn with the global generators seeded, and
    restored afterwards; they are of type :class:`Draw`. Without a seed the wrapped sampler draws as
    it would without this one, and its indices stay plain.
    """

    def __init__(self, sampler: Any, seed: int | None) -> None:
        self.sampler = sampler
        self.order_seed = seed
        self._epoch = 0
        self._start = 0

    def __getattr__(self, name: str) -> Any:
        if name == "sampler":  # before __init__, as when unpickling
            raise AttributeError(name)
        return getattr(self.sampler, name)

    def __len__(self) -> int:
        """Length of a whole epoch, as the wrapped sampler has it."""
        return len(self.sampler)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the epoch of the next ``iter``, and how many of its indices to leave out."""
        self._epoch, self._start = epoch, start
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        """Indices of the epoch from its start position on; the next ``iter`` is the next epoch."""
        epoch, start = self._epoch, self._start
        self._epoch, self._start = epoch + 1, 0
        if self.order_seed is None:
            return iter(list(self.sampler)[start:])
        with _seeded(epoch_seed(self.order_seed, epoch)):
            indices = list(self.sampler)
        generator = np.random.default_rng([self.order_seed, epoch])
        seeds = generator.integers(2**63, size=len(indices))
        return map(Draw, indices[start:], seeds[start:].tolist())


def epoch_seed(seed: int, epoch: int, process: int = 0) -> int:
    """A seed below 2**32, the most that NumPy takes, for an epoch of a process of a run."""
    # Knuth's multiplicative hash keeps (seed, epoch) pairs apart; its neighbour, the processes.
    return (seed * 2654435761 + epoch + process * 2246822519) % 2**32


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # In a worker process nothing else draws, and the copies cost a tenth of an image.
    restore = get_worker_info() is None
    states: Any = restore and (torch.get_rng_state(), random.getstate(), np.random.get_state())
    # Not torch.manual_seed, which would seed the generators of all GPUs too.
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        if restore:
            torch.set_rng_state(states[0])
            random.setstate(states[1])
            np.random.set_state(states[2])
