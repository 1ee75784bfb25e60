"""The neighbours of images in the ID pool (Sec. 3.3): candidates and the k most similar of them.

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
    """What the search needs beside the ID pool. All of it follows from the pool; none is saved.

    Attributes:
        norms: (N,) lengths of the representations, which the pool keeps up to date.

    Args:
        identities: N.
    """

    norms: Tensor
    _exclusions: Tensor
    _groups: Tensor
    _offsets: Tensor

    def __init__(self, identities: int) -> None:
        super().__init__()
        # In whole blocks; at least the last place is no identity's.
        groups = torch.zeros((identities // BLOCK + 1) * BLOCK, dtype=torch.int64)
        for name, buffer in (
            ("norms", torch.full((identities,), torch.finfo(torch.float32).tiny)),
            ("_exclusions", torch.empty(0)),
            ("_groups", groups),
            ("_offsets", torch.arange(BLOCK)),
        ):
            self.register_buffer(name, buffer, persistent=False)

    def set_domains(self, domains: int, central_domain: int | None) -> None:
        """Takes the number of domains, S, and the central one or None."""
        # By the domain of an identity (S + 1 of them, the last is never a candidate) and of an
        # image (S): what is added to a similarity, 0 for a candidate and -inf for all others.
        candidates = torch.ones(domains + 1, domains).fill_diagonal_(0)
        if central_domain is not None:
            candidates[:, central_domain] = 1 - candidates[:, central_domain]
        candidates[-1] = 0
        self._exclusions = candidates.to(self.norms).log()
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
            pool: (N, D) representations, (N,) domain of each identity, (N,) whether it was seen.
            own_identities: (B,) int64, not to be offered to the image; None: all are.

        Returns:
            Cosine similarities (B, k) times the image's length, which does not change their order,
            and indices (B, k) int64; -inf where there is no candidate.
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


def row_norms(rows: Tensor) -> Tensor:
    """Lengths (N,) of rows (N, D), never zero, as similarities are divided by them.

    Summed in float64, so that the rounded result does not depend on how many rows come at once:
    loading a pool restores the very bits of step-by-step updates.
    """
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms.clamp(min=torch.finfo(rows.dtype).tiny).to(rows.dtype)


def blockwise_topk(values: Tensor, k: int, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """``values.t().topk(k)``, which takes each block's maximum and then looks into k blocks only.

    The k largest values lie in the k blocks with the largest maxima: a value of another block has k
    values above it, those maxima. Of equal values at the k-th place any may be taken.

    Args:
        values: (W, B), W a multiple of ``BLOCK``.
        k: more than W is allowed.
        offsets: (BLOCK,) int64, 0..BLOCK-1, on the device of the values.

    Returns:
        The values (B, k), largest first, and their places (B, k) int64; beyond W, -inf at place 0.
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
