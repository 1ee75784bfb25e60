"""The domain discriminator of DDAN."""

from __future__ import annotations

from torch import Tensor, nn

from .losses import members_of_classes


class DomainDiscriminator(nn.Module):
    """D of Eqs. 4 and 5: linear, batch norm, linear (Sec. 4.1).

    Neither the paper nor the authors' release has a non-linearity between the layers.

    Args:
        feature_dim: length of a feature.
        hidden_dim: width of the hidden layer; 128 in the paper.
        num_domains: outputs: 2 for central (class 1) against peripheral (class 0), or the number of
            source domains for pairwise alignment.
        norm: whether the middle one is the paper's batch norm, or a ReLU: batch norm takes the
            mean out of the features of a batch, and so part of what tells domains apart.

    Raises:
        ValueError: fewer than two domains, or a dimension below one.
    """

    def __init__(
        self, feature_dim: int, hidden_dim: int = 128, num_domains: int = 2, norm: bool = True
    ) -> None:
        super().__init__()
        if feature_dim < 1 or hidden_dim < 1 or num_domains < 2:
            raise ValueError(
                "a discriminator needs feature_dim and hidden_dim of 1 or more and num_domains of "
                f"2 or more, not {feature_dim}, {hidden_dim} and {num_domains}"
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
    """Mean over the classes of the share of each that is recognised; guessing gives 100 / C.

    Plain accuracy would be high for a discriminator that always names the larger class. A class
    without an image in the batch is left out of the mean.

    Args:
        logits: (B, C).
        labels: (B,) int64 classes, 0..C-1.

    Returns:
        () in percent, on the device of the logits, without waiting for it.
    """
    members = members_of_classes(labels, logits.shape[1])
    right = members & (logits.argmax(1) == labels)[:, None]
    sizes = members.sum(0)
    return 100 * (right.sum(0) / sizes.clamp(min=1)).sum() / (sizes > 0).sum()
