"""The loss terms of Eq. 9 for a batch, their weights, and the networks and the pool they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import distributed
from ..config.settings import DDANSettings
from . import losses
from .batch_losses import OFF, Term, Weights
from .discriminator import DomainDiscriminator, balanced_accuracy
from .identity_pool import IdentityPool
from .sharded_pool import ShardedIdentityPool

# More than any source has cameras; and a logit of what cannot be.
_CAMERAS, _NEVER = 10_000, -1e4


def standardised(features: Tensor) -> Tensor:
    """(B, D) features with mean 0 and deviation 1 in each dimension over the batch."""
    deviation, mean = torch.std_mean(features.float(), 0, correction=0)
    return (features.float() - mean) / (deviation + 1e-5)


def _moments(x: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations (G, D) of the images of each group; groups is (B, G)."""
    sizes = groups.sum(0).clamp(min=1)[:, None]
    mean = groups.t() @ x / sizes
    square = groups.t() @ x.pow(2) / sizes
    return mean, (square - mean.pow(2)).clamp(min=1e-4).sqrt()


class DDANObjective:
    """The terms of Eq. 9: L_IDE and L_Triplet, L_DA-T and L_SE, L_DA-D.

    Each is a scalar of one batch, without its weight, or 0.0 if it is switched off. They are in
    float64, so that a weight and the share of a batch among several are rounded together, once.

    Attributes:
        discriminator: D of Eqs. 4 and 5; None without adversarial alignment.
        pool: the ID pool of Eqs. 6 and 7; None without the similarity term.
        central: index of the central domain among the sources; None for pairwise alignment, for
            the baseline, and until ``central_domain='auto'`` is decided.
        weights: what L1 and L2 sum their terms with; may change between two steps.
        num_identities: N, of all sources.

    Args:
        settings: the options.
        sources: names of the source domains, in the order of the data's ``dsetid``.
        identity_domains: (N,) domain of each identity.
        feature_dim: D, length of a feature.
        device: of the model.
        train: training images as (path, identity, camera, domain).

    Raises:
        ValueError: options that do not fit the sources or their numbers of identities.
    """

    def __init__(
        self,
        settings: DDANSettings,
        sources: Sequence[str],
        identity_domains: NDArray,
        feature_dim: int,
        device: torch.device,
        train: Sequence[tuple[str, int, int, int]],
    ) -> None:
        self.settings = settings
        self.sources = list(sources)
        self._share_names = [f"share_{name}" for name in sources]
        self._source_indices = torch.arange(len(sources), device=device)
        self.num_identities = len(identity_domains)
        self.weights = Weights(
            settings.weight_identity,
            settings.weight_triplet,
            settings.weight_adversarial,
            settings.weight_similarity,
            settings.weight_camera,
        )
        self._full = dataclasses.replace(self.weights)
        items = np.array([item[1:] for item in train])  # identity, camera, domain
        codes, cameras = np.unique(items[:, 2] * _CAMERAS + items[:, 1], return_inverse=True)
        self._camera_codes = torch.from_numpy(codes).to(device)
        # (S, C): the cameras of each source.
        self._cameras_of = torch.from_numpy(
            codes // _CAMERAS == np.arange(len(sources))[:, None]
        ).to(device)
        pool_domains = identity_domains
        self._rows: Tensor | None = None
        if settings.similarity_cameras:
            places, rows = np.unique(items[:, 0] * len(codes) + cameras, return_inverse=True)
            table = np.zeros((len(identity_domains), len(codes)), dtype=np.int64)
            table[items[:, 0], cameras] = rows
            self._rows = torch.from_numpy(table).to(device)
            pool_domains = places % len(codes)
        self.central: int | None = None
        self.discriminator: DomainDiscriminator | None = None
        if settings.adversarial:
            num_domains = {"pairwise": len(sources), "cameras": len(codes)}.get(
                settings.alignment, 2
            )
            self.discriminator = DomainDiscriminator(
                feature_dim,
                settings.hidden_dim,
                num_domains,
                settings.discriminator_norm == "batch",
            ).to(device)
        self.pool: IdentityPool | None = None
        if settings.similarity:
            sharded = settings.pool_sharding and distributed.active()
            self.pool = (ShardedIdentityPool if sharded else IdentityPool)(
                torch.from_numpy(pool_domains),
                feature_dim,
                central_domain=None,
                update_rate=settings.update_rate,
                exclude_own_identity=settings.exclude_own_identity,
            ).to(device if settings.pool_device == "model" else "cpu")
        if settings.central_domain != "auto":
            self.set_central_domain(settings.central_domain)

    def set_central_domain(self, name: str) -> None:
        """Makes a source the central domain, where the options have one.

        Raises:
            ValueError: an image of some source has fewer than ``top_k`` candidates then.
        """
        if self.settings.needs_central_domain:
            self.central = self.sources.index(name)
        if self.pool is None or self._rows is not None:
            return
        self.pool.central_domain = self.central
        candidates = self.pool.candidates().tolist()
        fewest = min(candidates)
        if self.settings.top_k > fewest:
            raise ValueError(
                f"top_k={self.settings.top_k} is more than the {fewest} identities that an image "
                f"of {self.sources[candidates.index(fewest)]} can choose from; write top_k "
                f"{fewest} or less"
            )

    def ramp(self, epoch: int) -> None:
        """Sets the weights of L2 for an epoch, 0-based."""
        share = min(1.0, (epoch + 1) / (self.settings.alignment_ramp + 1))
        for name in ("adversarial", "similarity", "camera"):
            setattr(self.weights, name, share * getattr(self._full, name))

    def camera_labels(self, domains: Tensor, cameras: Tensor) -> Tensor:
        """(B,) index of each image's camera among those of all sources."""
        return torch.searchsorted(self._camera_codes, domains * _CAMERAS + cameras)

    def pool_rows(self, pids: Tensor, cameras: Tensor) -> Tensor:
        """(B,) row of the ID pool that each image belongs to."""
        return pids if self._rows is None else self._rows[pids, cameras]

    def camera_moments(self, aligned: Tensor, domains: Tensor, cameras: Tensor) -> Term:
        """Squared distances between the moments of each camera and of its source in the batch.

        Means and standard deviations of features that are standardised over the batch; a mean over
        their dimensions and, by images, over the cameras.
        """
        if not self.settings.weight_camera:
            return OFF
        x = standardised(aligned)
        of_camera = F.one_hot(cameras, len(self._camera_codes)).float()
        of_domain = F.one_hot(domains, len(self.sources)).float()
        distance = x.new_zeros(len(self._camera_codes))
        sizes = of_camera.sum(0)
        parents = self._cameras_of.float().argmax(0)
        for camera, domain in zip(_moments(x, of_camera), _moments(x, of_domain), strict=True):
            distance = distance + (camera - domain[parents]).pow(2).mean(1)
        return ((distance * sizes).sum() / len(x)).double()

    def identity(self, logits: Tensor, pids: Tensor) -> Term:
        """L_IDE (Eq. 1).

        Args:
            logits: (b, N) of the identity head, for the images of this process: the term is a mean
                over images, so the mean over the processes gives that of the global batch.
            pids: (B,) identity labels of the global batch, as everything below.
        """
        # DistributedDataParallel waits for the gradient of every parameter, also at weight 0.
        if self.settings.weight_identity == 0 and not distributed.active():
            return OFF
        own_pids = distributed.own(pids)
        return losses.identity_loss(logits, own_pids, self.settings.label_smoothing).double()

    def triplet(self, features: Tensor, pids: Tensor) -> Term:
        """L_Triplet (Eq. 2).

        Args:
            features: (B, D) m of the mapping network.
            pids: (B,) identity labels.
        """
        settings = self.settings
        if settings.weight_triplet == 0:
            return OFF
        return losses.batch_hard_triplet_loss(
            features, pids, settings.margin, settings.normalize_triplet
        ).double()

    def confusion(self, aligned: Tensor, domains: Tensor) -> Term:
        """L_DA-T (Eq. 5), of which the discriminator sees no gradient.

        Args:
            aligned: (B, D) of the mapping network behind an encoder that passes no gradient.
        """
        if self.discriminator is None:
            return OFF
        with _without_gradient(self.discriminator):
            logits = self.discriminator(aligned)
            if self.settings.alignment == "cameras":
                own = self._cameras_of[domains]
                log_p = F.log_softmax(logits.float().masked_fill(~own, _NEVER), 1)
                return (-(log_p * own).sum(1) / own.sum(1)).mean().double()
            return losses.domain_confusion_loss(logits, self.settings.confusion).double()

    def similarity(
        self, aligned: Tensor, pids: Tensor, domains: Tensor, cameras: Tensor, epoch: int
    ) -> Term:
        """L_SE (Eq. 8), from its epoch on. It reads the ID pool and leaves it as it is.

        Args:
            aligned: (B, D), as for :meth:`confusion`.
            pids: (B,) identity labels.
            domains: (B,) index of each image's source.
            epoch: 0-based.
        """
        settings = self.settings
        if self.pool is None or not self.seeks(epoch):
            return OFF
        if settings.standardise_similarity:
            aligned = standardised(aligned)
        groups = domains if self._rows is None else cameras
        indices, valid = self.pool.nearest(aligned, groups, settings.top_k, pids)
        return losses.similarity_enhancement_loss(
            aligned,
            self.pool.rows(indices),
            settings.temperature,
            settings.similarity_reduction,
            valid,
            settings.similarity_log,
        ).double()

    def domain_logits(self, features: Tensor, domains: Tensor) -> Tensor | None:
        """(B, 2) of the discriminator, (B, S) if pairwise; None without one.

        Args:
            features: (B, D) m without gradient, as L3 trains the discriminator only.
        """
        if self.discriminator is None:
            return None
        logits = self.discriminator(features)
        if self.settings.alignment == "cameras":
            return logits.masked_fill(~self._cameras_of[domains], _NEVER)
        return logits

    def discrimination(
        self, domain_logits: Tensor | None, domains: Tensor, cameras: Tensor
    ) -> Term:
        """L_DA-D (Eq. 4).

        Args:
            domain_logits: of :meth:`domain_logits`.
            domains: (B,) index of each image's source.
        """
        if domain_logits is None:
            return OFF
        labels = self.domain_labels(domains, cameras)
        if self.settings.balanced_discriminator:
            sizes = F.one_hot(labels, domain_logits.shape[1]).sum(0)
            return F.cross_entropy(domain_logits.float(), labels, 1 / sizes.clamp(min=1)).double()
        return losses.domain_discrimination_loss(domain_logits, labels).double()

    def named(self, *terms: Term) -> dict[str, Tensor]:
        """Those of L_IDE, L_Triplet, L_DA-T, L_SE and L_DA-D that are switched on, by name."""
        names = (*self.named_weights(), "loss_domain")  # in the order of L1, L2, L3
        named = zip(names, terms, strict=True)
        return {name: term for name, term in named if isinstance(term, Tensor)}

    def named_weights(self) -> dict[str, float]:
        """The weights by the name of their term."""
        return {
            "loss_id": self.weights.identity,
            "loss_triplet": self.weights.triplet,
            "loss_confusion": self.weights.adversarial,
            "loss_similarity": self.weights.similarity,
            "loss_camera": self.weights.camera,
        }

    def rates(
        self,
        logits: Tensor,
        domain_logits: Tensor | None,
        pids: Tensor,
        domains: Tensor,
        cameras: Tensor,
    ) -> dict[str, Tensor]:
        """Accuracies of both heads (%), the discriminator's balanced; the share of each source.

        Args:
            logits: (b, N) of the identity head, for the images of this process.
            domain_logits: of :meth:`domain_logits`.
            pids: (B,) identity labels.
            domains: (B,) index of each image's source.
        """
        right = logits.argmax(1) == distributed.own(pids)
        rates = {"acc": right.mean(dtype=torch.float32) * 100}
        if domain_logits is not None:
            labels = self.domain_labels(domains, cameras)
            rates["balanced_acc_domain"] = balanced_accuracy(domain_logits, labels)
        shares = (domains[:, None] == self._source_indices).mean(0, dtype=torch.float32)
        return rates | dict(zip(self._share_names, shares, strict=True))

    def seeks(self, epoch: int) -> bool:
        """Whether images are drawn to similar identities in an epoch (0-based): L_SE is on."""
        return self.settings.similarity and epoch >= self.settings.similarity_start_epoch

    def domain_labels(self, domains: Tensor, cameras: Tensor) -> Tensor:
        """(B,) labels of the discriminator: central 1, peripheral 0, or the domain if pairwise."""
        if self.settings.alignment == "pairwise":
            return domains
        if self.settings.alignment == "cameras":
            return cameras
        assert self.central is not None, "the central domain is decided before training"
        return (domains == self.central).long()


@contextmanager
def _without_gradient(module: nn.Module) -> Iterator[None]:
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in module.parameters():
            parameter.requires_grad_(True)
