"""The training loader under stable labels and in groups, and a loader per source for features."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..system.signals import WorkerSignals, unheard
from .labels import stabilise
from .order import EpochOrder
from .reading import SafeImageDataset


def order_train_loader(datamanager: Any, seed: int | None) -> None:
    """Gives the training images stable labels, and an order that an epoch can be entered in.

    Under any sampler. One of torchreid remembers positions in the list of images, so it is built
    again when the list changes; one with a seed is given the one here, unless that is None. The
    data manager's ``train_loader`` is replaced by one over an
    :class:`~ddan_torchreid.data.order.EpochOrder`.

    Raises:
        ValueError: the loader has a ``batch_sampler`` of its own.
    """
    loader = datamanager.train_loader
    if loader.batch_size is None:
        raise ValueError(
            "the training loader has a batch_sampler of its own; build it with a sampler and a "
            "batch_size, as torchreid's data manager does"
        )
    sampler = loader.sampler
    if isinstance(sampler, EpochOrder):  # of another engine with this data
        sampler = sampler.sampler
    if stabilise(loader.dataset):
        if hasattr(sampler, "rebuild"):
            sampler = sampler.rebuild()
        else:
            warnings.warn(
                "the training loader was not built by torchreid's data manager, so its sampler "
                "cannot be rebuilt on the sorted images; batches may differ between machines",
                stacklevel=2,
            )
    if seed is not None and hasattr(sampler, "seed"):
        sampler.seed = seed
    # Of its own, so that starting workers leaves the state that dropout draws from as it is.
    generator = torch.Generator().manual_seed(torch.initial_seed() if seed is None else seed)
    datamanager.train_loader = with_sampler(loader, EpochOrder(sampler, seed), generator)


def with_sampler(
    loader: DataLoader,
    sampler: Any,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
) -> DataLoader:
    """A loader with another sampler, and if given another generator and batch size.

    Its workers leave the first SIGINT or SIGTERM to the main process, and end with the epoch.
    """
    prepare = loader.worker_init_fn
    if not isinstance(prepare, WorkerSignals):
        prepare = WorkerSignals(prepare)
    return EndingLoader(
        loader.dataset,
        sampler=sampler,
        batch_size=batch_size or loader.batch_size,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        worker_init_fn=prepare,
        generator=generator or loader.generator,
        multiprocessing_context=loader.multiprocessing_context,
    )


class EndingLoader(DataLoader):
    """A loader whose workers end with the iteration, also with one that fails.

    An exception keeps alive what it came from, an iterator and its workers among it. Python would
    then wait at its end for workers that it has sent one SIGTERM, which they leave alone.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        with unheard():  # until worker_init_fn has set what the workers do with a signal
            batches: Any = super().__iter__()
        try:
            yield from batches
        finally:
            if self.num_workers:
                batches._shutdown_workers()


def source_loaders(datamanager: Any, max_samples: int, seed: int = 0) -> dict[str, DataLoader]:
    """A loader for each source of a data manager, by its name and in their order, as at test time.

    Each is over a random sample, of ``max_samples`` at the most, of the source's training images.
    """
    loader = datamanager.train_loader
    train = loader.dataset.data
    domains = np.array([item[3] for item in train])
    generator = np.random.default_rng(seed)
    loaders: dict[str, DataLoader] = {}
    for number, name in enumerate(datamanager.sources):
        positions = np.flatnonzero(domains == number)
        if len(positions) > max_samples:
            positions = np.sort(generator.choice(positions, max_samples, replace=False))
        items = [train[position] for position in positions]
        dataset = SafeImageDataset(
            items, items[:1], items[:1], transform=datamanager.transform_te, mode="train",
            verbose=False,
        )  # fmt: skip
        loaders[name] = DataLoader(
            dataset,
            batch_size=min(100, len(items)),
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory,
        )
    return loaders


def in_groups(loader: Any, size: int) -> Any:
    """A loader of lists of ``size`` batches, those of a step; with 1, the loader itself.

    The last step of an epoch has what is left.
    """
    return loader if size == 1 else _Groups(loader, size)


class _Groups:
    def __init__(self, loader: Any, size: int) -> None:
        self._loader = loader
        self._size = size

    def __iter__(self) -> Iterator[list[Any]]:
        batches = iter(self._loader)
        while group := list(itertools.islice(batches, self._size)):
            yield group

    def __len__(self) -> int:
        return -(-len(self._loader) // self._size)
