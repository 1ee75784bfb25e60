"""Features of labelled images at test time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .. import distributed
from ..data.sharding import shard_test_loader


@dataclasses.dataclass
class FeatureSet:
    """Features (n, D) on the CPU with the person (n,) and camera (n,) of each image."""

    features: Tensor
    pids: np.ndarray
    camids: np.ndarray


@torch.no_grad()
def extract_features(
    model: nn.Module,
    loader: DataLoader,
    device: torch.device,
    watched: Callable[[DataLoader], Any] = lambda loader: loader,
) -> FeatureSet:
    """Test-time features of every image of a loader. Several processes share the images.

    Args:
        model: returns (B, D) in evaluation mode; its mode is restored afterwards.
        loader: yields torchreid's batches (``img``, ``pid``, ``camid``).
        device: of the model.
        watched: wraps the loader, to show or to stop what is going on.

    Raises:
        FloatingPointError: a feature is not finite; the ranks would look plausible all the same.
    """
    was_training = model.training
    model.eval()
    features, pids, camids = [], [], []
    for batch in watched(shard_test_loader(loader)):
        images = batch["img"].to(device, non_blocking=True)
        features.append(model(images.contiguous(memory_format=torch.channels_last)).float().cpu())
        pids.append(batch["pid"])
        camids.append(batch["camid"])
    model.train(was_training)
    columns = [torch.cat(parts) for parts in (features, pids, camids)]
    if distributed.active():
        images_in_all = len(loader.dataset)  # type: ignore[arg-type]
        columns = [distributed.gather_in_turn(column, images_in_all) for column in columns]
    matrix, pid, camid = columns
    if not torch.isfinite(matrix).all():
        raise FloatingPointError(
            "the model returns features that are not finite; load other weights, or train again "
            "at a lower learning rate"
        )
    return FeatureSet(matrix, pid.numpy(), camid.numpy())
