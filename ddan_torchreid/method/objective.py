"""The loss terms of Eq. 9 for one batch, with the discriminator and the ID pool they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import distributed
from ..config.settings import DDANSettings
from . import losses
from .discriminator import DomainDiscriminator
from .identity_pool import IdentityPool
from .sharded_pool import ShardedIdentityPool


class DDANObjective:
    """L1, L2 and L3 of Eq. 9, unweighted and by name.

    Attributes:
        discriminator: D of Eqs. 4 and 5; None without adversarial alignment.
        pool: the ID pool of Eqs. 6 and 7; None without the similarity term.
        central: index of the central domain among the sources; None for pairwise alignment, for
            the baseline, and until ``central_domain='auto'`` is decided.
        weights: factor of each term of L1 and L2.
        num_identities: N, of all sources.

    Args:
        settings: the options.
        sources: names of the source domains, in the order of the data's ``dsetid``.
        identity_domains: (N,) domain of each identity.
        feature_dim: D, length of a feature.
        device: of the model.

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
    ) -> None:
        self.settings = settings
        self.sources = list(sources)
        self.num_identities = len(identity_domains)
        self.weights = {
            "loss_id": settings.weight_identity,
            "loss_triplet": settings.weight_triplet,
            "loss_confusion": settings.weight_adversarial,
            "loss_similarity": settings.weight_similarity,
        }
        self.central: int | None = None
        self.discriminator: DomainDiscriminator | None = None
        if settings.adversarial:
            num_domains = len(sources) if settings.alignment == "pairwise" else 2
            self.discriminator = DomainDiscriminator(
                feature_dim, settings.hidden_dim, num_domains
            ).to(device)
        self.pool: IdentityPool | None = None
        if settings.similarity:
            sharded = settings.pool_sharding and distributed.active()
            self.pool = (ShardedIdentityPool if sharded else IdentityPool)(
                torch.from_numpy(identity_domains),
                feature_dim,
                central_domain=None,
                update_rate=settings.update_rate,
                exclude_own_identity=settings.exclude_own_identity,
            ).to(device if settings.pool_device == "model" else "cpu")
        if settings.central_domain != "auto":
            self.set_central_domain(settings.central_domain)

    def set_central_domain(self, name: str) -> None:
        """Makes a source the centre, where the options have one.

        Raises:
            ValueError: an image of some source has fewer than ``top_k`` candidates then.
        """
        if self.settings.needs_central_domain:
            self.central = self.sources.index(name)
        if self.pool is None:
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

    def identity_terms(self, logits: Tensor, features: Tensor, pids: Tensor) -> dict[str, Tensor]:
        """L1: L_IDE (Eq. 1) and L_Triplet (Eq. 2).

        Args:
            logits: (b, N) of the identity head, for the images of this process: L_IDE is a mean
                over images, so the mean over the processes gives that of the joined batch.
            features: (B, D) of the mapping network, joined over the processes.
            pids: (B,) identity labels.
        """
        settings, terms = self.settings, {}
        # DistributedDataParallel waits for the gradient of every parameter, also at weight 0.
        if settings.weight_identity > 0 or distributed.active():
            own_pids = distributed.own(pids)
            terms["loss_id"] = losses.identity_loss(logits, own_pids, settings.label_smoothing)
        if settings.weight_triplet > 0:
            terms["loss_triplet"] = losses.batch_hard_triplet_loss(
                features, pids, settings.margin, settings.normalize_triplet
            )
        return terms

    def alignment_terms(
        self, aligned: Tensor, pids: Tensor, domains: Tensor, epoch: int
    ) -> dict[str, Tensor]:
        """L2: L_DA-T (Eq. 5) and, from its epoch on, L_SE (Eq. 8).

        Args:
            aligned: (B, D) of the mapping network behind an encoder that passes no gradient,
                joined over the processes.
            pids: (B,) identity labels.
            domains: (B,) index of each image's source.
            epoch: 0-based.
        """
        settings, terms = self.settings, {}
        if self.discriminator is not None:
            with _without_gradient(self.discriminator):
                terms["loss_confusion"] = losses.domain_confusion_loss(
                    self.discriminator(aligned), settings.confusion
                )
        if self.pool is not None and self.seeks(epoch):
            indices, valid = self.pool.nearest(aligned, domains, settings.top_k, pids)
            terms["loss_similarity"] = losses.similarity_enhancement_loss(
                aligned,
                self.pool.rows(indices),
                settings.temperature,
                settings.similarity_reduction,
                valid,
                settings.similarity_log,
            )
        return terms

    def seeks(self, epoch: int) -> bool:
        """Whether images are drawn to similar identities in an epoch (0-based): L_SE is on."""
        return self.settings.similarity and epoch >= self.settings.similarity_start_epoch

    def domain_labels(self, domains: Tensor) -> Tensor:
        """(B,) labels of the discriminator: central 1, peripheral 0, or the domain if pairwise."""
        if self.settings.alignment == "pairwise":
            return domains
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
