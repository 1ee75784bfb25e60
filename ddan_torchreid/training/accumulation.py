"""Several batches for one step of the optimisers, where one batch is all that the memory holds."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from torch import nn


def in_groups(loader: Any, size: int) -> Any:
    """A loader of the batches for one step each.

    Args:
        loader: the loader of batches.
        size: batches for a step; the last step of an epoch has what is left. With 1, the loader
            itself is returned.

    Returns:
        A loader of lists of batches, which passes everything else on to the one of batches.
    """
    return loader if size == 1 else _Groups(loader, size)


def averaging(parallel: nn.Module | None, now: bool) -> contextlib.AbstractContextManager[None]:
    """The forward and backward pass of one of several batches.

    Args:
        parallel: the model as ``DistributedDataParallel`` wraps it; None where it does not.
        now: average the gradients over the processes in this backward pass. Before the last batch
            of a step that would be in vain.
    """
    if now or not isinstance(parallel, nn.parallel.DistributedDataParallel):
        return contextlib.nullcontext()
    return parallel.no_sync()


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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
