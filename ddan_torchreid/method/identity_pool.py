"""The ID pool of DDAN (Chen et al., AAAI 2021, Sec. 3.3): Eqs. 6, 7 and the neighbour search."""

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .neighbours import NeighbourSearch, row_norms

_ROWS_PER_CHUNK = 8192


class IdentityPool(nn.Module):
    """One representation per identity of all source domains, learnt from the images that pass by.

    Within an epoch the t images of an identity give its running mean r_bar (Eq. 6). Its
    representation mixes in what it was at the end of the previous epoch (Eq. 7)::

        r_hat = update_rate * r_hat_of_previous_epoch + (1 - update_rate) * r_bar

    In the first epoch in which an identity appears, r_hat = r_bar. An identity that has not
    appeared in this epoch keeps its representation; one that has never appeared is no candidate.

    The domains of an image's neighbours depend on its own (Sec. 3.3). An image of a *peripheral*
    domain looks for similar identities in all **other** domains, which draws it towards them. An
    image of the *central* domain looks in its **own** domain, which keeps the distribution that
    the others are aligned to where it is. With ``central_domain=None``, for pairwise alignment,
    all domains are peripheral.

    The order of one training step: **the loss reads the pool first, the batch updates it after**,
    so that no image is compared with a mean that already contains it through this very step::

        pool.start_epoch()                                       # before each epoch
        indices, valid = pool.nearest(features, domains, k)
        neighbours = pool.rows(indices)
        loss = similarity_enhancement_loss(features, neighbours, temperature, valid=valid)
        pool.update(features, pids)

    All state is in persistent buffers: a pool restored by ``load_state_dict`` takes the same next
    step bit for bit, in the middle of an epoch too. There are three (N, D) matrices, 15.4 GB for
    a million identities of 1280 float32 numbers, and no operation makes a fourth. Neither
    ``update`` nor ``nearest`` waits for the device. A pool that is too large for the device of the
    images may stay on the CPU: the methods take tensors from any device, and give their results
    on it.

    Attributes:
        representations: (N, D) r_hat; zero for an identity that has never been seen.
        means: (N, D) r_bar of this epoch.
        previous: (N, D) r_hat at the end of the previous epoch.
        counts: (N,) int64, images of this epoch.
        seen: (N,) bool, has appeared at least once since the pool was made.
        has_previous: (N,) bool, had appeared when this epoch began.
        identity_domains: (N,) int64.

    Args:
        identity_domains: (N,) index of the source domain (``dsetid``) of each identity.
        feature_dim: D.
        central_domain: Index of the central domain, or None if there is none.
        update_rate: Share of the previous epoch in r_hat (alpha in Eq. 7), 0..1.
        exclude_own_identity: Do not offer an image of the central domain its own identity. The
            released code does offer it.

    Raises:
        ValueError: If an argument is out of its range or no identity is of the central domain.
    """

    identity_domains: Tensor
    representations: Tensor
    means: Tensor
    previous: Tensor
    counts: Tensor
    seen: Tensor
    has_previous: Tensor

    def __init__(
        self,
        identity_domains: Tensor | ArrayLike,
        feature_dim: int,
        central_domain: int | None,
        update_rate: float = 0.05,
        exclude_own_identity: bool = False,
    ) -> None:
        super().__init__()
        domains = torch.as_tensor(identity_domains).detach().clone()
        if domains.dim() != 1 or len(domains) == 0 or domains.is_floating_point():
            raise ValueError(
                "identity_domains must be a vector of integers with one entry per identity, got "
                f"{tuple(domains.shape)} of {domains.dtype}"
            )
        if domains.min() < 0:
            raise ValueError("identity_domains must not be negative: number the domains from 0")
        if feature_dim < 1:
            raise ValueError(f"feature_dim must be at least 1, got {feature_dim}")
        if not 0 <= update_rate <= 1:
            raise ValueError(f"update_rate must lie between 0 and 1, got {update_rate}")
        self.update_rate = update_rate
        self.exclude_own_identity = exclude_own_identity

        identities = len(domains)
        self.register_buffer("identity_domains", domains.long())
        for name in ("representations", "means", "previous"):
            self.register_buffer(name, torch.zeros(identities, feature_dim))
        self.register_buffer("counts", torch.zeros(identities, dtype=torch.int64))
        for name in ("seen", "has_previous"):
            self.register_buffer(name, torch.zeros(identities, dtype=torch.bool))
        self._search = NeighbourSearch(identities, self.representations.dtype)
        self.central_domain = central_domain

    @property
    def central_domain(self) -> int | None:
        """Index of the central domain or None. One without identities is a ValueError."""
        return self._central_domain

    @central_domain.setter
    def central_domain(self, domain: int | None) -> None:
        known = self._domain_sizes().nonzero().flatten().tolist()
        if domain is not None and domain not in known:
            raise ValueError(
                f"no identity belongs to central_domain={domain}: the domains are {known}"
            )
        self._central_domain = domain
        self._search.set_domains(len(self._domain_sizes()), domain)

    def extra_repr(self) -> str:
        identities, feature_dim = self.representations.shape
        return (
            f"identities={identities}, feature_dim={feature_dim}, "
            f"central_domain={self.central_domain}, update_rate={self.update_rate}"
        )

    def candidates(self) -> Tensor:
        """How many candidates an image can have once every identity has been seen.

        Returns:
            (S,) int64, one entry per domain. A larger k can never be filled for that domain.
        """
        sizes = self._domain_sizes()
        candidates = sizes.sum() - sizes
        if self.central_domain is not None:
            own = sizes[self.central_domain]
            candidates[self.central_domain] = own - 1 if self.exclude_own_identity else own
        return candidates

    @torch.no_grad()
    def distinct_largest_channels(self) -> int:
        """How many channels are the largest one of some identity that has been seen.

        With a small temperature the softmax of Eq. 8 is almost all on the largest channel. Where
        one channel is the largest of every identity the pool has collapsed: L_SE and its gradient
        are zero.

        Returns:
            0 (no identity has been seen) .. D.
        """
        return int(self._largest_channels().sum())

    def _largest_channels(self) -> Tensor:
        """(D,) bool."""
        largest = self.representations.argmax(1)[self.seen]
        found = self.seen.new_zeros(self.representations.shape[1])
        return found.index_fill_(0, largest, True)

    def _domain_sizes(self) -> Tensor:
        return torch.bincount(self.identity_domains)

    @torch.no_grad()
    def start_epoch(self) -> None:
        """Keep r_hat of the epoch that ended as the previous one and begin new running means.

        To be called before each epoch, the first included. Calling it twice in a row is harmless.
        """
        self.previous.copy_(self.representations)
        self.has_previous.copy_(self.seen)
        self.means.zero_()
        self.counts.zero_()

    @torch.no_grad()
    def update(self, features: Tensor, pids: Tensor) -> None:
        """Take the images of one batch into the representations (Eqs. 6, 7).

        Several images of one identity count each, as if they had come one after the other. Only
        the rows of the batch are touched.

        Args:
            features: (B, D), of any floating-point type.
            pids: (B,) int64 identity labels, 0..N-1.

        Raises:
            ValueError: If the shapes do not fit.
        """
        self._check(features, "pids", pids)
        if len(pids) == 0:
            return
        device = self.representations.device
        features, pids = features.to(device), pids.to(device)
        same_identity = pids[:, None] == pids
        # In float64, which neither autocast nor TF32 touches, and as a product, because
        # index_add_ sums in a random order on CUDA.
        weights = same_identity.double()
        sums = weights @ features.double()
        # Rows of one identity must be equal to the last bit, for all of them are written to the
        # same place in no defined order. So each takes the sum of the first one.
        sums = sums[weights.argmax(dim=1)]
        old_counts = self.counts[pids]
        counts = old_counts + same_identity.sum(dim=1)
        means = (self.means[pids] * old_counts[:, None] + sums) / counts[:, None]
        # With no previous epoch r_bar stands in for it, which makes r_hat = r_bar.
        previous = torch.where(self.has_previous[pids, None], self.previous[pids], means)
        representations = means.lerp(previous, self.update_rate).to(self.representations.dtype)
        self.counts[pids] = counts
        self.means[pids] = means.to(self.means.dtype)
        self.representations[pids] = representations
        self._search.norms[pids] = row_norms(representations)
        self.seen.index_fill_(0, pids, True)

    @torch.no_grad()
    def nearest(
        self, features: Tensor, domains: Tensor, k: int, pids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Find the k candidates with the highest cosine similarity to each image.

        The class describes which identities are candidates. Where there are fewer than k, the
        last slots are not valid and their index is 0. A representation of length zero has
        similarity 0 to everything.

        Args:
            features: (B, D), of any floating-point type.
            domains: (B,) int64 domain of each image, one of those in the pool.
            k: Neighbours per image; more than N is allowed.
            pids: (B,) int64 identity labels, needed only to exclude an image's own identity: None
                excludes nothing.

        Returns:
            indices (B, k) int64 rows of the pool, most similar first, and valid (B, k) bool.

        Raises:
            ValueError: If k is less than 1 or the shapes do not fit.
        """
        device = self.representations.device
        similarities, indices = self._most_similar(
            features.to(device), domains.to(device), k, None if pids is None else pids.to(device)
        )
        valid = similarities > -torch.inf
        return (indices * valid).to(features.device), valid.to(features.device)

    def rows(self, indices: Tensor) -> Tensor:
        """Representations (*indices.shape, D) of identities, such as those `nearest` found."""
        places = indices.to(self.representations.device).flatten()
        rows = self.representations.index_select(0, places)  # faster than [] on a CPU
        return rows.unflatten(0, indices.shape).to(indices.device)

    def _most_similar(
        self, features: Tensor, domains: Tensor, k: int, pids: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Similarities (B, k), up to a factor of each image, and indices; -inf: no candidate."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self._check(features, "domains", domains)
        # That of a peripheral image is of its own domain and no candidate anyway.
        own_identities = pids if self.exclude_own_identity else None
        if own_identities is not None:
            self._check(features, "pids", own_identities)
        pool = self.representations, self.identity_domains, self.seen
        return self._search.most_similar(features, domains, k, pool, own_identities)

    def _check(self, features: Tensor, name: str, labels: Tensor) -> None:
        if features.dim() != 2 or features.shape[1] != self.representations.shape[1]:
            raise ValueError(
                f"features must be (B, {self.representations.shape[1]}), got "
                f"{tuple(features.shape)}"
            )
        if labels.shape != features.shape[:1]:
            raise ValueError(
                f"{name} must be ({len(features)},), one per image, got {tuple(labels.shape)}"
            )

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        chunks = self.representations.split(_ROWS_PER_CHUNK)
        self._search.norms = torch.cat([row_norms(chunk) for chunk in chunks])
        self._search.set_domains(len(self._domain_sizes()), self._central_domain)
