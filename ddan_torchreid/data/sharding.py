"""Parts of the training batches and of the test images, one for each process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler

from .. import distributed
from .loader import with_sampler
from .order import EpochOrder


class ShardedSampler(Sampler):
    """This process's part of each batch that another sampler draws.

    The batches are those of a run of one process: ``batch_size`` counts the images of all
    processes together. A batch consists of groups of K consecutive images (of one identity, under
    a sampler of identities), and every process gets as many groups as any other. The groups are
    dealt out domain by domain, so a domain with g groups in a batch has floor(g / R) or
    ceil(g / R) of them in each of the R processes: each process has a group of the central domain
    and one of a peripheral domain wherever the batch has R of either. (Where it has fewer, no loss
    is affected, as all are computed from the global batch.) Who is first to be dealt a group
    rotates from batch to batch.

    The first process samples for all, so samplers that use the global random state can be sharded
    too. The last batch is left out when it is not full.

    Args:
        sampler: of the whole batches; a ``num_instances`` that it has is K, else K = 1.
        data_source: tuples ``(path, pid, camid, dsetid)`` that it draws from.
        batch_size: images in a batch of all processes together.

    Raises:
        ValueError: the groups of a batch cannot be shared out evenly.
    """

    def __init__(self, sampler: EpochOrder, data_source: Sequence[Any], batch_size: int) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.num_instances = getattr(sampler, "num_instances", 1)
        self._start = 0
        self._domains = np.array([item[3] for item in data_source])
        processes = distributed.size()
        every = self.num_instances * processes
        # Batch normalisation of one image has no variance.
        least = every * max(1, -(-2 // self.num_instances))
        if batch_size % every or batch_size < least:
            raise ValueError(
                f"a batch of {batch_size} cannot be shared out to {processes} processes, two "
                f"images or more each in groups of {self.num_instances}; write train.batch_size "
                f"{max(batch_size - batch_size % every, least)} (it counts the images of all "
                "processes), or another --nproc-per-node"
            )

    def __len__(self) -> int:
        """Images of this process in an epoch; the same in every process."""
        return len(self.sampler) // self.batch_size * self.batch_size // distributed.size()

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Chooses the epoch of the next ``iter``, and how much of it to leave out.

        ``start`` counts images of this process, in whole batches.
        """
        self._start = start * distributed.size()
        self.sampler.set_epoch(epoch, self._start)

    def __iter__(self) -> Iterator[int]:
        """Indices into ``data_source`` of this process's images, batch by batch."""
        indices = distributed.share(list(self.sampler) if distributed.is_first() else [])
        first_batch, self._start = self._start // self.batch_size, 0
        return (indices[position] for position in self._positions(indices, first_batch))

    def _positions(self, indices: Sequence[int], first_batch: int) -> list[int]:
        """Where this process's images are among those of all."""
        processes, batches = distributed.size(), len(indices) // self.batch_size
        numbers = np.arange(batches * self.batch_size).reshape(batches, -1, self.num_instances)
        domains = self._domains[np.array(indices, dtype=np.int64)[numbers[..., 0]]]
        by_domain = np.argsort(domains, axis=1, kind="stable")
        turns = np.arange(numbers.shape[1] // processes) * processes
        lead = (distributed.rank() + first_batch + np.arange(batches)) % processes
        own = np.take_along_axis(by_domain, lead[:, None] + turns, axis=1)
        return np.take_along_axis(numbers, own[..., None], axis=1).ravel().tolist()


def check_shares(datamanager: Any) -> None:
    """Makes sure that the training batches of a data manager can be shared out.

    Raises:
        ValueError: see `ShardedSampler`.
    """
    loader = datamanager.train_loader
    if distributed.active():
        ShardedSampler(loader.sampler, loader.dataset.train, loader.batch_size)


def shard_train_loader(datamanager: Any) -> None:
    """Gives each process its part of the training batches, in a new ``train_loader``.

    Nothing happens where the process is alone, or a second time.

    Raises:
        ValueError: see `ShardedSampler`.
    """
    loader = datamanager.train_loader
    if distributed.active() and not isinstance(loader.sampler, ShardedSampler):
        if isinstance(getattr(loader.sampler, "sampler", None), ShardedSampler):
            raise ValueError("another engine has this data manager; build one for each engine")
        sampler = ShardedSampler(loader.sampler, loader.dataset.train, loader.batch_size)
        batch_size = loader.batch_size // distributed.size()
        datamanager.train_loader = with_sampler(loader, sampler, batch_size=batch_size)


def shard_test_loader(loader: DataLoader) -> DataLoader:
    """The loader of every R-th image, for `distributed.gather_in_turn`.

    All processes get equally many images, so some get one of the first images once more.
    """
    if not distributed.active():
        return loader
    processes, images = distributed.size(), len(loader.dataset)  # type: ignore[arg-type]
    turns = np.arange(-(-images // processes)) * processes
    indices = (distributed.rank() + turns) % images
    return with_sampler(loader, indices.tolist())
