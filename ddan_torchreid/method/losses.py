"""The losses of DDAN (Chen et al., AAAI 2021), Eqs. 1, 2, 4, 5 and 8, as pure functions.

Weights, schedules and which network gets which gradient are the business of the objective and the
engine. Every function returns a scalar, computed in float32 for half-precision input, inside and
outside autocast, and in float64 for float64 input.

Notation: B batch size, D feature dimension, N identities, S outputs of the domain discriminator,
k neighbours per image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .divergence import SymmetricDivergence

CENTRAL_LABEL = 1
"""Domain label of the central domain (Sec. 3.2); every peripheral domain has label 0."""

# What the logarithms of Eq. 8 add to a probability.
_EPSILON = {"exact": 0.0, "released": 1e-8}


def identity_loss(logits: Tensor, pids: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """L_IDE (Eq. 1): cross-entropy over the identities of all source domains, mean over the batch.

    Args:
        logits: (B, N) of the identity head.
        pids: (B,) identity labels, 0..N-1.
        label_smoothing: share of the target spread evenly over all identities, 0..1.

    Returns:
        () in nats.
    """
    return F.cross_entropy(_full_precision(logits), pids, label_smoothing=label_smoothing)


def batch_hard_triplet_loss(
    features: Tensor, pids: Tensor, margin: float = 0.3, normalize: bool = True
) -> Tensor:
    """L_Triplet (Eq. 2): batch-hard triplet loss, hinge, mean over the anchors.

    Each anchor is compared with its farthest image of the same identity and its nearest image of
    another one, by Euclidean (not squared) distance, as in torchreid's ``TripletLoss``. An anchor
    that is the only image of its identity is its own positive, at distance zero. A batch of one
    identity has no negatives: its loss is zero and can still be back-propagated.

    Args:
        features: (B, D).
        pids: (B,) identity labels.
        margin: smallest wanted gap between the two distances.
        normalize: L2-normalise the features first, as the released code does, so that distances lie
            in [0, 2].

    Returns:
        () in units of distance.

    Raises:
        ValueError: the shapes do not fit or the batch is empty.
    """
    if features.dim() != 2 or pids.shape != features.shape[:1] or len(pids) == 0:
        raise ValueError(
            "batch_hard_triplet_loss needs features (B, D) and pids (B,) with B >= 1, "
            f"got {tuple(features.shape)} and {tuple(pids.shape)}"
        )
    # Without this, autocast would compute the distances of nearby features in half precision.
    with torch.autocast(device_type=features.device.type, enabled=False):
        features = _full_precision(features)
        if normalize:
            lengths = torch.linalg.vector_norm(features, dim=1, keepdim=True)
            # F.normalize has a gradient of 1e12 at a feature of zero; here it has none.
            features = features / lengths.masked_fill(lengths < 1e-12, torch.inf)
        squared_norms = features.pow(2).sum(dim=1)
        squared = squared_norms[:, None] + squared_norms[None, :] - 2 * features @ features.t()
        # The gradient of the root is infinite at zero; below the clamp it is zero instead.
        distances = squared.clamp(min=1e-12).sqrt()
    same_identity = pids[:, None] == pids
    positive = distances.masked_fill(~same_identity, -torch.inf).amax(dim=1)
    negative = distances.masked_fill(same_identity, torch.inf).amin(dim=1)
    # In a batch of one identity the negatives are at infinity and every hinge is zero.
    return F.relu(positive - negative + margin).mean()


def domain_discrimination_loss(
    logits: Tensor, domain_labels: Tensor, balanced: bool = False
) -> Tensor:
    """L_DA-D (Eq. 4): cross-entropy of the domain discriminator, mean over the batch.

    Args:
        logits: (B, S) of the discriminator.
        domain_labels: (B,) labels 0..S-1: central 1 and peripheral 0 (S = 2), or the index of the
            domain in pairwise alignment.
        balanced: the mean over the labels that occur of the mean over the images of each.

    Returns:
        () in nats.
    """
    logits = _full_precision(logits)
    if not balanced:
        return F.cross_entropy(logits, domain_labels)
    sizes = members_of_classes(domain_labels, logits.shape[1]).sum(0)
    return F.cross_entropy(logits, domain_labels, 1 / sizes.clamp(min=1).to(logits))


def members_of_classes(labels: Tensor, num_classes: int) -> Tensor:
    """(B, C) which of the labels (B,), 0..C-1, are of which class; a GPU is not waited for."""
    return labels[:, None] == torch.arange(num_classes, device=labels.device)


def domain_confusion_loss(logits: Tensor, mode: str = "uniform") -> Tensor:
    """L_DA-T (Eq. 5): what the mapping network minimises to confuse the domain discriminator.

    * ``'uniform'``: cross-entropy to the uniform distribution, that is the mean over the batch and
      over the classes of -log p (the released code's reading of Eq. 5). Its minimum is log S.
    * ``'entropy'``: negative entropy, the sum over the classes of p log p, mean over the batch
      (the paper's words). Its minimum is -log S.
    * ``'central'``: cross-entropy to the central label 1 for every image; S = 2 only.

    Args:
        logits: (B, S) of the discriminator.
        mode: one of the three.

    Returns:
        () in nats.

    Raises:
        ValueError: the mode is unknown, or it is ``'central'`` and S is not 2.
    """
    log_p = F.log_softmax(_full_precision(logits), dim=1)
    if mode == "uniform":
        return -log_p.mean()
    if mode == "entropy":
        return (log_p.exp() * log_p).sum(dim=1).mean()
    if mode == "central":
        if logits.shape[1] != 2:
            raise ValueError(
                f"mode 'central' needs a discriminator of 2 classes, this one has "
                f"{logits.shape[1]}: use 'uniform' or 'entropy'"
            )
        return -log_p[:, CENTRAL_LABEL].mean()
    raise ValueError(f"unknown mode {mode!r}: use 'uniform', 'entropy' or 'central'")


def similarity_enhancement_loss(
    features: Tensor,
    neighbours: Tensor,
    temperature: float,
    reduction: str = "mean",
    valid: Tensor | None = None,
    log: str = "exact",
) -> Tensor:
    """L_SE (Eq. 8): symmetric KL divergence between images and their similar identities.

    With p = softmax(m / tau) of an image and q = softmax(r / tau) of an identity, both directions
    together are the sum over the dimensions of (p - q)(log p - log q). The gradient flows into
    the features only, never into the neighbours.

    * ``'mean'``: average over the valid pairs **and** the D dimensions, as in the released code.
    * ``'eq8'``: as printed, the sum over the batch of the mean over the valid neighbours of the sum
      over the dimensions: B * D times ``'mean'`` where all k neighbours are valid.

    The published weight of 0.05 was tuned with ``'mean'`` and the released logarithms. These cap
    each log ratio near 18.4, so that at the published tau the loss is many times smaller than with
    exact ones, and its gradient points elsewhere: 0.05 means another strength and direction there.

    Args:
        features: (B, D) m of the images.
        neighbours: (B, k, D) r_hat of the identities similar to each image.
        temperature: tau > 0, in units of the features.
        reduction: ``'mean'`` or ``'eq8'``.
        valid: (B, k) bool, False for slots to ignore, whatever they hold; None: all are valid.
        log: ``'exact'``, or ``'released'`` for log(p + 1e-8) and log(q + 1e-8).

    Returns:
        () in nats. Without any valid pair it is zero and can still be back-propagated.

    Raises:
        ValueError: tau is not positive, the reduction or the logarithm is unknown, or the shapes do
            not fit.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be greater than 0, got {temperature}")
    if reduction not in ("mean", "eq8"):
        raise ValueError(f"unknown reduction {reduction!r}: use 'mean' or 'eq8'")
    if log not in _EPSILON:
        raise ValueError(f"unknown log {log!r}: use 'exact' or 'released'")
    if valid is None:
        valid = torch.ones(neighbours.shape[:2], dtype=torch.bool, device=neighbours.device)
    if (
        features.dim() != 2
        or neighbours.dim() != 3
        or neighbours.shape[::2] != features.shape
        or valid.shape != neighbours.shape[:2]
    ):
        raise ValueError(
            "similarity_enhancement_loss needs features (B, D), neighbours (B, k, D) and valid "
            f"(B, k), got {tuple(features.shape)}, {tuple(neighbours.shape)} and "
            f"{tuple(valid.shape)}"
        )
    divergences = SymmetricDivergence.apply(
        _full_precision(features), neighbours.detach(), valid, temperature, _EPSILON[log]
    )
    if reduction == "mean":
        return divergences.sum() / (features.shape[1] * valid.sum().clamp(min=1))
    return (divergences / valid.sum(dim=1).clamp(min=1)).sum()


def _full_precision(x: Tensor) -> Tensor:
    """Float64 as it is, every other type as float32."""
    return x if x.dtype == torch.float64 else x.float()
