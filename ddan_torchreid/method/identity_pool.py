"""The ID pool of DDAN (Chen et al., AAAI 2021, Sec. 3.3): Eqs. 6 and 7, neighbours for Eq. 8."""

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .neighbours import NeighbourSearch, row_norms


class IdentityPool(nn.Module):
    """One representation per identity of all source domains, learnt from the images that pass by.

    Within an epoch the images of an identity give its running mean r_bar (Eq. 6). Its
    representation mixes in what it was at the end of the previous epoch (Eq. 7)::

        r_hat = update_rate * r_hat_of_previous_epoch + (1 - update_rate) * r_bar

    In the first epoch in which an identity appears, r_hat = r_bar. An identity that has not
    appeared in this epoch keeps its representation; one that has never appeared is no candidate.

    Whom an image is compared with depends on its domain (Sec. 3.3). An image of a *peripheral*
    domain looks for similar identities in all **other** domains, which draws it towards them. An
    image of the *central* domain looks in its **own** domain, which keeps the distribution that
    the others are aligned to where it is. With ``central_domain=None``, for pairwise alignment,
    all domains are peripheral.

    In a training step **the loss reads the pool first and the batch updates it after**, so that no
    image is compared with a mean that this very step has put it into::

        pool.start_epoch()                                       # before each epoch
        indices, valid = pool.nearest(features, domains, k)
        loss = similarity_enhancement_loss(features, pool.rows(indices), tau, valid=valid)
        pool.update(features, pids)

    All state is in persistent buffers: a restored pool takes the same next step bit for bit, in the
    middle of an epoch too. Its three (N, D) matrices take 15.4 GB for a million identities of 1280
    numbers, and no operation makes a fourth. No method of a step waits for the device. The pool may
    be on the CPU and the images on a GPU: results are on the device of the images.

    Attributes:
        representations: (N, D) r_hat; zero for an identity that has never been seen.
        means: (N, D) r_bar of this epoch.
        previous: (N, D) r_hat at the end of the previous epoch.
        counts: (N,) int64, images of this epoch.
        seen: (N,) bool, has appeared at least once since the pool was made.
        has_previous: (N,) bool, had appeared when this epoch began.

    Args:
        identity_domains: (N,) index of the source domain (``dsetid``) of each identity.
        feature_dim: D.
        central_domain: index of the central domain, or None if there is none.
        update_rate: share of the previous epoch in r_hat (alpha in Eq. 7), 0..1.
        exclude_own_identity: do not offer an image of the central domain its own identity. The
            released code does offer it.

    Raises:
        ValueError: an argument is out of its range, or no identity is of the central domain.
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
        whole = domains.dim() == 1 and len(domains) and not domains.is_floating_point()
        if not whole or domains.min() < 0 or feature_dim < 1:
            raise ValueError(
                "an ID pool needs identity_domains (N,), whole numbers from 0 on, and feature_dim "
                f">= 1, got {domains.dtype} of {tuple(domains.shape)} and {feature_dim}"
            )
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
        self._search = NeighbourSearch(identities)
        self.central_domain = central_domain

    @property
    def central_domain(self) -> int | None:
        """Index of the central domain or None. One without identities is a ValueError."""
        return self._central_domain

    @central_domain.setter
    def central_domain(self, domain: int | None) -> None:
        sizes = self._domain_sizes()
        known = sizes.nonzero().flatten().tolist()
        if domain is not None and domain not in known:
            raise ValueError(f"no identity is of central_domain={domain}: the domains are {known}")
        self._central_domain = domain
        self._search.set_domains(len(sizes), domain)

    def candidates(self) -> Tensor:
        """(S,) int64, how many candidates an image of each domain has once all have been seen."""
        sizes = self._domain_sizes()
        candidates = sizes.sum() - sizes
        if self.central_domain is not None:
            own = sizes[self.central_domain]
            candidates[self.central_domain] = own - 1 if self.exclude_own_identity else own
        return candidates

    @torch.no_grad()
    def distinct_largest_channels(self) -> int:
        """How many channels are the largest one of some identity that has been seen, 0..D.

        At a small tau the softmax of Eq. 8 is almost all on the largest channel. Where that is the
        same one for every identity the pool has collapsed: L_SE and its gradient are zero.
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
        """Keeps r_hat of the epoch that ended for Eq. 7 and begins new running means.

        To be called before each epoch, the first included. Calling it twice in a row is harmless.
        """
        self.previous.copy_(self.representations)
        self.has_previous.copy_(self.seen)
        self.means.zero_()
        self.counts.zero_()

    @torch.no_grad()
    def update(self, features: Tensor, pids: Tensor) -> None:
        """Takes the images of one batch into the representations (Eqs. 6, 7).

        Several images of one identity count each, as if they had come one after the other. Only
        the rows of the batch are touched.

        Args:
            features: (B, D), of any floating-point type.
            pids: (B,) int64 identity labels, 0..N-1.

        Raises:
            ValueError: the shapes do not fit.
        """
        self._check(features, pids)
        if len(pids) == 0:
            return
        device = self.representations.device
        features, pids = features.to(device), pids.to(device)
        same_identity = pids[:, None] == pids
        # In float64, which neither autocast nor TF32 touches, and as a product, as index_add_ sums
        # in a random order on CUDA.
        weights = same_identity.double()
        sums = weights @ features.double()
        # Rows of one identity are written to the same place in no defined order, so they must be
        # equal to the last bit: each takes the sum of the first one.
        sums = sums[weights.argmax(dim=1)]
        old_counts = self.counts[pids]
        counts = old_counts + same_identity.sum(dim=1)
        means = (self.means[pids] * old_counts[:, None] + sums) / counts[:, None]
        # With no previous epoch r_bar takes its place, which makes r_hat = r_bar.
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
        """The k candidates with the highest cosine similarity to each image, for Eq. 8.

        The class describes which identities are candidates. A representation of length zero has
        similarity 0 to everything.

        Args:
            features: (B, D), of any floating-point type.
            domains: (B,) int64 domain of each image, one of those in the pool.
            k: neighbours per image; more than N is allowed.
            pids: (B,) int64 identity labels, for ``exclude_own_identity`` only.

        Returns:
            Indices (B, k) int64 of identities, most similar first, and valid (B, k) bool. Where
            there are fewer candidates than k, the last slots are not valid and their index is 0.

        Raises:
            ValueError: k is less than 1 or the shapes do not fit.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self._check(features, domains, *([] if pids is None else [pids]))
        device = self.representations.device
        # A peripheral image's own identity is of its own domain, so no candidate anyway.
        own = pids.to(device) if self.exclude_own_identity and pids is not None else None
        similarities, indices = self._most_similar(features.to(device), domains.to(device), k, own)
        valid = similarities > -torch.inf
        return (indices * valid).to(features.device), valid.to(features.device)

    def rows(self, indices: Tensor) -> Tensor:
        """Representations (*indices.shape, D) of identities, such as those of :meth:`nearest`."""
        places = indices.to(self.representations.device).flatten()
        rows = self.representations.index_select(0, places)  # faster than [] on a CPU
        return rows.unflatten(0, indices.shape).to(indices.device)

    def _most_similar(
        self, features: Tensor, domains: Tensor, k: int, own_identities: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`NeighbourSearch.most_similar`."""
        pool = self.representations, self.identity_domains, self.seen
        return self._search.most_similar(features, domains, k, pool, own_identities)

    def _check(self, features: Tensor, *labels: Tensor) -> None:
        size, dim = features.shape[:1], self.representations.shape[1:]
        if features.shape != size + dim or any(each.shape != size for each in labels):
            raise ValueError(
                f"an ID pool needs features (B, {dim[0]}) and labels (B,), got "
                f"{tuple(features.shape)} and {[tuple(each.shape) for each in labels]}"
            )

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        chunks = self.representations.split(8192)  # whose copies in float64 are small
        self._search.norms = torch.cat([row_norms(chunk) for chunk in chunks])
        self._search.set_domains(len(self._domain_sizes()), self._central_domain)
