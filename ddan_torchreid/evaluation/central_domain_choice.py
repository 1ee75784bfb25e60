"""Choosing the central domain from a model's features (Eq. 3), and how far to trust the choice."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..data.loader import source_loaders
from ..distributed import unwrapped
from ..method.central_domain import (
    central_domain,
    choice_noise,
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

    Prints which weights the features come from, the matrix of distances (as Table 2) with each
    domain's distance to itself, and a warning with the domains that may be as central as the chosen
    one by :func:`.choice_noise`.

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
    own = self_distances(features, max_samples, seed=seed)
    print(f"=> Distances between features of {describe_weights(model)}")
    print(format_distances(names, matrix, own))
    choice = central_domain(names, matrix)
    noise = choice_noise(features, own, max_samples, seed)
    sums = matrix.sum(axis=1)
    gaps = {name: gap for name, gap in zip(names, sums - sums.min(), strict=True) if name != choice}
    rivals = [f"{name} (+{gap:.2g})" for name, gap in gaps.items() if gap <= noise]
    if len(names) == 2:
        print(f"=> Warning: of two sources neither is more central; {choice} is the first")
    elif rivals:
        print(
            f"=> Warning: {', '.join(rivals)} may be as central as {choice}: sums may differ by "
            f"{noise:.2g} because the samples are finite"
        )
    return choice


def describe_weights(model: nn.Module) -> str:
    """What can be known of a model's weights, in words.

    The statistics of batch norms distinguish a network that was trained or loaded from a new one,
    and those of the neck one that was trained for re-identification from a mere backbone.

    Args:
        model: wrapped in ``DataParallel`` or not.
    """
    bare = unwrapped(model)
    origin = getattr(bare, "weights_from", "")
    imagenet = origin == "ImageNet"
    where = f" ({origin})" if origin and not imagenet else ""
    trained, loaded = _has_statistics(getattr(bare, "neck", None)), _has_statistics(bare)
    if trained or (trained is None and where):
        return f"trained weights{where}"
    kind = "ImageNet weights" if imagenet else f"weights of unknown training{where}"
    if loaded is False:
        kind = f"random weights{where}"
    return f"{kind}; Eq. 3 is meant for those of a trained baseline"


def _has_statistics(module: nn.Module | None) -> bool | None:
    """Whether the batch norms of a module have seen images; None where it has none."""
    layers = [] if module is None else module.modules()
    means = [each for layer in layers if (each := getattr(layer, "running_mean", None)) is not None]
    return any(bool(mean.any()) for mean in means) if means else None
