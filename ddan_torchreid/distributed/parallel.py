"""A model that several processes train together."""

from __future__ import annotations

import contextlib
from typing import Any

from torch import nn

from .processes import active


def parallel(model: nn.Module) -> nn.Module | None:
    """Wraps a model so that its backward pass averages gradients over the processes.

    Parameters and buffers become those of the first process. The wrapper waits for a gradient of
    each parameter that requires one now, so a model of which other layers are opened is wrapped
    anew. None where a process is alone.

    Raises:
        ValueError: the model is wrapped in ``DataParallel``.
    """
    if not active():
        return None
    if isinstance(model, nn.DataParallel):
        raise ValueError("of several processes each has one GPU; leave out DataParallel")
    device = next(model.parameters()).device
    return nn.parallel.DistributedDataParallel(
        model, device_ids=[device] if device.type == "cuda" else None
    )


def normalise_jointly(model: nn.Module) -> None:
    """Lets the batch norms of a model on a GPU use the statistics of the global batch.

    In place; parameters stay the same objects. On a CPU, which has no such layer, and alone nothing
    changes.
    """
    if active() and next(model.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


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


def unwrapped(model: nn.Module) -> Any:
    """The network itself, of a ``DataParallel`` or not."""
    return model.module if isinstance(model, nn.DataParallel) else model
