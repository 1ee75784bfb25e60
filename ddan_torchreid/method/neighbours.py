"""The nearest neighbours of images: candidates, their similarities, and the k largest of many.

Similarities are (identities, images): on a CPU the product of a large matrix and a small one takes
less time than that of a small one and the transpose of a large one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 32
"""Similarities of an image that are looked at or passed over together."""


class NeighbourSearch(nn.Module):
    """What an ID pool's search needs beside the pool; all of it follows from that, none is saved.

    Attributes:
        norms: (N,) lengths of the representations, which the pool keeps up to date.

    Args:
        identities: N.
        dtype: of the representations.
    """

    norms: Tensor
    _exclusions: Tensor
    _groups: Tensor
    _offsets: Tensor

    def __init__(self, identities: int, dtype: torch.dtype) -> None:
        super().__init__()
        # Whole blocks, the last place of which is never an identity's.
        groups = torch.zeros((identities // BLOCK + 1) * BLOCK, dtype=torch.int64)
        for name, buffer in (
            ("norms", torch.full((identities,), torch.finfo(dtype).tiny)),
            ("_exclusions", torch.empty(0)),
            ("_groups", groups),
            ("_offsets", torch.arange(BLOCK)),
        ):
            self.register_buffer(name, buffer, persistent=False)

    def set_domains(self, domains: int, central_domain: int | None) -> None:
        """Takes the number of domains, and the central one or None."""
        exclusions = domain_exclusions(domains, central_domain, self.norms.dtype)
        self._exclusions = exclusions.to(self.norms.device)
        self._groups.fill_(domains)

    def most_similar(
        self,
        features: Tensor,
        domains: Tensor,
        k: int,
        pool: tuple[Tensor, Tensor, Tensor],
        own_identities: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The k candidates most similar to each image.

        Args:
            features: (B, D), of any floating-point type.
            domains: (B,) int64 domain of each image.
            k: 1 or more.
            pool: its (N, D) representations, and (N,) the domain of each identity and whether it
                has been seen.
            own_identities: (B,) int64, not to be offered to the image; None: all are.

        Returns:
            Cosine similarities (B, k), up to a factor of each image, whose own length does not
            change their order, and indices (B, k); -inf: no candidate.
        """
        representations, identity_domains, seen = pool
        # What has not been seen is of no domain, like what fills the last block.
        of_identities, none = self._groups[: len(seen)], self._groups[-1]
        torch.where(seen, identity_domains, none, out=of_identities)
        exclusions = self._exclusions.index_select(1, domains)
        similarities = exclusions.index_select(0, self._groups)
        identities = similarities[: len(seen)]
        # Without this, autocast would make a half-precision copy of the whole pool.
        with torch.autocast(device_type=features.device.type, enabled=False):
            # On top of zero or -inf, which costs less than a mask does afterwards.
            identities.addmm_(representations, features.to(identities.dtype).t().contiguous())
        identities /= self.norms[:, None]
        if own_identities is not None:
            similarities.scatter_(0, own_identities[None], -torch.inf)
        return blockwise_topk(similarities, k, self._offsets)


def domain_exclusions(domains: int, central_domain: int | None, dtype: torch.dtype) -> Tensor:
    """What is added to a similarity, by both domains (Sec. 3.3 of the DDAN paper).

    Args:
        domains: S, how many there are.
        central_domain: the one whose images look in their own domain; None: all look in the others.
        dtype: of the similarities.

    Returns:
        (S + 1, S), of an identity's domain and an image's: 0 for a candidate and -inf for another
        identity. The last row is for what is never a candidate.
    """
    candidates = torch.ones(domains + 1, domains).fill_diagonal_(0)
    if central_domain is not None:
        candidates[:, central_domain] = 1 - candidates[:, central_domain]
    candidates[-1] = 0
    return candidates.to(dtype).log()


def row_norms(rows: Tensor) -> Tensor:
    """Lengths (N,) of rows (N, D), never zero: similarities are divided by them.

    Summed in float64 the rounded result does not depend on how many rows come at once, so that
    loading a pool restores the very bits of step-by-step updates.
    """
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms.clamp(min=torch.finfo(rows.dtype).tiny).to(rows.dtype)


def blockwise_topk(values: Tensor, k: int, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """``values.t().topk(k)``, which takes a block's maximum and then looks into k blocks only.

    The k largest values lie in the k blocks with the largest maxima: a value of another block has k
    values above it, those maxima. Where equal values meet the k-th place, any may be taken.

    Args:
        values: (W, B), W a multiple of ``BLOCK``.
        k: more than W is allowed.
        offsets: (BLOCK,) int64, 0..BLOCK-1, on the device of the values.

    Returns:
        The values (B, k), largest first, and their places (B, k) int64. What is missing from k is
        -inf, at place 0.
    """
    missing = max(k - len(values), 0)
    maxima = values.unflatten(0, (-1, BLOCK)).amax(dim=1)
    blocks = maxima.topk(min(k, len(maxima)), dim=0, sorted=False).indices
    places = offsets[:, None].add(blocks.unsqueeze(1), alpha=BLOCK).flatten(0, 1)
    largest, order = values.gather(0, places).t().topk(k - missing, dim=1)
    places = places.t().gather(1, order)
    if missing:
        return F.pad(largest, (0, missing), value=-torch.inf), F.pad(places, (0, missing))
    return largest, places
