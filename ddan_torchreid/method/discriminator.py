"""The domain discriminator of DDAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DomainDiscriminator(nn.Module):
    """``D`` of Eqs. 4 and 5: linear, batch norm, linear (Sec. 4.1).

    There is no non-linearity between the layers, neither in the paper nor in the authors' release.

    Args:
        feature_dim: Length of a feature vector.
        hidden_dim: Width of the hidden layer; 128 in the paper.
        num_domains: Number of outputs: 2 for central against peripheral (central is class 1), the
            number of source domains for pairwise alignment.

    Raises:
        ValueError: Fewer than two domains, or a dimension below one.
    """

    def __init__(
        self, feature_dim: int, hidden_dim: int = 128, num_domains: int = 2, norm: bool = True
    ) -> None:
        super().__init__()
        if feature_dim < 1 or hidden_dim < 1:
            raise ValueError(
                f"feature_dim and hidden_dim must be at least 1, not {feature_dim} and {hidden_dim}"
            )
        if num_domains < 2:
            raise ValueError(
                f"num_domains is {num_domains}; a discriminator needs 2 (central against "
                "peripheral) or the number of source domains"
            )
        self.layers = nn.Sequential(
            nn.Linear(feature_dim, hidden_dim),
            nn.BatchNorm1d(hidden_dim) if norm else nn.ReLU(),
            nn.Linear(hidden_dim, num_domains),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, feature_dim) -> domain logits (B, num_domains)."""
        return self.layers(features)


def balanced_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the classes of the share of each that is recognised; whoever guesses gets 100 / C.

    Plain accuracy is high for one that knows nothing but the larger class. A class without an image
    in the batch is left out of the mean; the others count alike, whatever their number of images.

    Args:
        logits: (B, C).
        labels: (B,) int64 classes, 0..C-1.

    Returns:
        () in percent. It stays on the device, and the host does not wait for it.
    """
    members = labels[:, None] == torch.arange(logits.shape[1], device=logits.device)  # (B, C)
    right = members & (logits.argmax(1) == labels)[:, None]
    sizes = members.sum(0)
    return 100 * (right.sum(0) / sizes.clamp(min=1)).sum() / (sizes > 0).sum()
