"""Choosing the central domain from a model's features (Eq. 3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..data.loader import source_loaders
from ..method.central_domain import (
    central_domain,
    domain_distances,
    format_distances,
    self_distances,
)
from . import extract_features


def choose_central_domain(
    model: nn.Module,
    datamanager: Any,
    device: torch.device,
    max_samples: int = 1000,
    seed: int = 0,
) -> str:
    """Chooses the source with the least summed Wasserstein distance to the others (Eq. 3).

    Prints the matrix of distances (as Table 2) with each domain's distance to itself, which is
    the noise floor of the estimate.

    Args:
        model: its test-time features are compared; the paper takes the trained baseline.
        datamanager: a ``torchreid.data.ImageDataManager`` with two sources or more.
        device: of the model.
        max_samples: images per source and distance at the most.
        seed: of the sample.

    Returns:
        The name of the chosen source.
    """
    # Twice as many, for the two disjoint samples that the distance of a source to itself compares.
    loaders = source_loaders(datamanager, 2 * max_samples, seed)
    features = {
        name: extract_features(model, loader, device).features for name, loader in loaders.items()
    }
    names, matrix = domain_distances(features, max_samples, seed=seed)
    print(format_distances(names, matrix, self_distances(features, max_samples, seed=seed)))
    return central_domain(names, matrix)
