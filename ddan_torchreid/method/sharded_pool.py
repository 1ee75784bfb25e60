"""An ID pool of which each process keeps a part."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..distributed.collectives import gather
from ..distributed.processes import rank, size
from .identity_pool import IdentityPool


class ShardedIdentityPool(IdentityPool):
    """The ID pool (Eqs. 6, 7), shared out to R processes in blocks of ceil(N / R) identities.

    Every method is called by all processes at the same point with the same global batch, and gives
    all of them what an :class:`IdentityPool` would give: each searches its block, and the results
    are merged. In the first process ``state_dict`` is that of an `IdentityPool`, to be loaded by
    any number of processes; in the others it is empty.

    The buffers hold this process's block and one more row. It takes the images of all identities of
    other processes, which costs less than picking them out (on a GPU the host would have to wait),
    and is never a candidate.

    Args: as of an :class:`IdentityPool`, the same in every process.
    """

    def __init__(
        self, identity_domains: Tensor, feature_dim: int, central_domain: int | None, **options: Any
    ) -> None:
        self._identities = len(identity_domains)
        self._block = -(-self._identities // size())
        self._start = rank() * self._block
        self._sizes = torch.bincount(identity_domains)
        block = self._own_rows(identity_domains)
        super().__init__(block, feature_dim, central_domain, **options)

    def _domain_sizes(self) -> Tensor:
        return self._sizes

    def _largest_channels(self) -> Tensor:
        # Of the process's own identities; the row of the others counts as never seen.
        return gather(super()._largest_channels()[None]).any(0)

    @torch.no_grad()
    def update(self, features: Tensor, pids: Tensor) -> None:
        """As of an `IdentityPool`, with the global batch."""
        super().update(features, self._local(pids))
        self.seen[-1] = False

    def _most_similar(
        self, features: Tensor, domains: Tensor, k: int, own_identities: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        own = None if own_identities is None else self._local(own_identities)
        similarities, indices = super()._most_similar(features, domains, k, own)
        # (B, R * k): the k best of every block, of which the k best are those of the pool
        similarities, indices = (
            torch.cat(gather(each).chunk(size()), dim=1)
            for each in (similarities, indices + self._start)
        )
        similarities, best = similarities.topk(k, dim=1)
        return similarities, indices.gather(1, best)

    @torch.no_grad()
    def rows(self, indices: Tensor) -> Tensor:
        """As of an `IdentityPool`; each process contributes those it has."""
        local = self._local(indices)
        rows = self.representations[local].masked_fill_((local == self._block)[..., None], 0)
        dist.all_reduce(rows)
        return rows

    def _local(self, identities: Tensor) -> Tensor:
        """Rows of identities in this block, and the last row for those that are not in it."""
        rows = identities - self._start
        return torch.where((rows >= 0) & (rows < self._block), rows, self._block)

    def _own_rows(self, whole: Tensor) -> Tensor:
        """This process's block of (N, ...) and the row for the others; zero where there is none."""
        block = whole[self._start : self._start + self._block]
        missing = self._block + 1 - len(block)
        return torch.cat([block, block.new_zeros(missing, *block.shape[1:])])

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        own: dict[str, Tensor] = {}
        super()._save_to_state_dict(own, "", keep_vars)
        for name, rows in own.items():
            # Through the memory of the machine: the whole may not fit into that of a GPU.
            part = rows[:-1].cpu()
            parts = [torch.empty_like(part) for _ in range(size())] if rank() == 0 else None
            dist.gather(part, parts)
            if parts is not None:
                destination[prefix + name] = torch.cat(parts)[: self._identities]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # A pool of another size keeps its own shape, which the caller's error then names.
        own = {
            key: self._own_rows(rows) if len(rows) == self._identities else rows
            for key, rows in state_dict.items()
            if key.startswith(prefix)
        }
        super()._load_from_state_dict(own, prefix, *args, **kwargs)
