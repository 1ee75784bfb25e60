"""A model that several processes train together."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .processes import active


def parallel(model: nn.Module) -> DistributedDataParallel | None:
    """Wraps a model so that its backward pass averages gradients over the processes.

    Parameters and buffers become those of the first process. The wrapper waits for a gradient of
    each parameter that requires one now: wrap the model anew when other layers are trained. None
    where a process is alone.

    Raises:
        ValueError: the model is wrapped in ``DataParallel``.
    """
    if not active():
        return None
    if isinstance(model, nn.DataParallel):
        raise ValueError("of several processes each has one GPU; leave out DataParallel")
    device = next(model.parameters()).device
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def normalise_jointly(model: nn.Module) -> None:
    """Lets the batch norms of a model on a GPU use the statistics of the global batch.

    In place; parameters stay the same objects. A CPU has no such layer, so nothing changes there.
    """
    if active() and next(model.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def unwrapped(model: nn.Module) -> Any:
    """The network itself, of a ``DataParallel`` or not."""
    return model.module if isinstance(model, nn.DataParallel) else model
