"""The nearest neighbours of images: candidates, their similarities, and the k largest of many."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128
"""Similarities that are looked at or passed over together."""


def domain_exclusions(
    identity_domains: Tensor, domains: int, central_domain: int | None, dtype: torch.dtype
) -> Tensor:
    """What is added to the similarities of an image, by its domain (Sec. 3.3 of the DDAN paper).

    Args:
        identity_domains: (N,) int64 domain of each identity.
        domains: S, how many there are.
        central_domain: the one whose images look in their own domain; None: all look in the others.
        dtype: of the similarities.

    Returns:
        (S, W): 0 for a candidate and -inf for another identity. W is N rounded up to whole blocks;
        what fills the last one is no candidate.
    """
    numbers = torch.arange(domains, device=identity_domains.device)
    candidates = numbers[:, None] != identity_domains
    if central_domain is not None:
        candidates[central_domain].logical_not_()
    return F.pad(candidates.to(dtype).log(), (0, -len(identity_domains) % BLOCK), value=-torch.inf)


def row_norms(rows: Tensor) -> Tensor:
    """Lengths (N,) of rows (N, D), never zero: similarities are divided by them.

    Summed in float64 the rounded result does not depend on how many rows come at once, so that
    loading a pool restores the very bits of step-by-step updates.
    """
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms.clamp(min=torch.finfo(rows.dtype).tiny).to(rows.dtype)


def candidate_similarities(
    features: Tensor, representations: Tensor, norms: Tensor, seen: Tensor, exclusions: Tensor
) -> Tensor:
    """Cosine similarities to all candidates, up to a factor of each image.

    The length of an image's own feature does not change the order of its similarities.

    Args:
        features: (B, D), of any floating-point type.
        representations: (N, D) of the identities.
        norms: (N,) their :func:`row_norms`.
        seen: (N,) bool; False is no candidate.
        exclusions: (B, W) rows of :func:`domain_exclusions`, which become the result.

    Returns:
        (B, W), -inf where there is no candidate.
    """
    similarities = exclusions[:, : len(seen)]
    # Without this, autocast would make a half-precision copy of the whole pool.
    with torch.autocast(device_type=features.device.type, enabled=False):
        # On top of zero or -inf, which costs less than a mask does afterwards.
        similarities.addmm_(features.to(similarities.dtype), representations.t())
    # The logarithm of what has not been seen is -inf.
    torch.addcdiv(seen.log(), similarities, norms, out=similarities)
    return exclusions


def blockwise_topk(values: Tensor, k: int, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """``values.topk(k)``, which takes a block's maximum and then looks into k blocks only.

    The k largest values lie in the k blocks with the largest maxima: a value of another block has k
    values above it, those maxima. Where equal values meet the k-th place, any may be taken.

    Args:
        values: (B, W), W a multiple of ``BLOCK``.
        k: more than W is allowed.
        offsets: (BLOCK,) int64, 0..BLOCK-1, on the device of the values.

    Returns:
        The values (B, k), largest first, and their places (B, k) int64. What is missing from k is
        -inf, at place 0.
    """
    missing = max(k - values.shape[1], 0)
    maxima = values.unflatten(1, (-1, BLOCK)).amax(dim=2)
    blocks = maxima.topk(min(k, maxima.shape[1]), dim=1, sorted=False).indices
    places = offsets.add(blocks.unsqueeze(2), alpha=BLOCK).flatten(1)
    largest, order = values.gather(1, places).topk(k - missing, dim=1)
    places = places.gather(1, order)
    if missing:
        return F.pad(largest, (0, missing), value=-torch.inf), F.pad(places, (0, missing))
    return largest, places
