"""The loss terms of Eq. 9 for a batch, their weights, and the networks and the pool they need."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from .. import distributed
from ..config.settings import DDANSettings
from . import losses
from .batch_losses import OFF, Term, Weights
from .discriminator import DomainDiscriminator, balanced_accuracy
from .identity_pool import IdentityPool
from .sharded_pool import ShardedIdentityPool


class DDANObjective:
    """The terms that :meth:`.ImageDDANEngine.losses` adds up (Eq. 9)::

        L1 = L_IDE + lambda1 * L_Triplet                  identity, triplet
        L2 = lambda2 * L_DA-T + lambda3 * L_SE            confusion, similarity
        L3 = L_DA-D                                       discrimination

    Each is a scalar of one batch, without its weight, or 0.0 if it is switched off. They are in
    float64, so that the weight and the share of a batch among several are rounded together, once.

    Shapes: of the global batch, features m are (B, D), identity labels ``pids`` (B,), and
    ``domains``, the index of each image's source, (B,). This process has b of the images.

    Attributes:
        discriminator: D of Eqs. 4 and 5; None without adversarial alignment.
        pool: the ID pool of Eqs. 6 and 7; None without the similarity term.
        central: index of the central domain among the sources; None for pairwise alignment, for
            the baseline, and until ``central_domain='auto'`` is decided.
        weights: factors of the terms; may change between two steps.
        num_identities: N, of all sources.

    Args:
        settings: the options.
        sources: names of the source domains, in the order of the data's ``dsetid``.
        identity_domains: (N,) domain of each identity.
        feature_dim: D.
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
        self._source_indices = torch.arange(len(sources), device=device)
        self.num_identities = len(identity_domains)
        self.weights = Weights(
            settings.weight_identity,
            settings.weight_triplet,
            settings.weight_adversarial,
            settings.weight_similarity,
        )
        self.central: int | None = None
        self.discriminator: DomainDiscriminator | None = None
        if settings.adversarial:
            num_domains = len(sources) if settings.alignment == "pairwise" else 2
            self.discriminator = DomainDiscriminator(
                feature_dim,
                settings.hidden_dim,
                num_domains,
                norm=settings.discriminator == "published",
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
        """Makes a source the central domain, where the options have one.

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
                f"of {self.sources[candidates.index(fewest)]} can choose from; "
                f"write top_k {fewest} or less"
            )

    def start_epoch(self, epoch: int) -> None:
        """Sets the weights of L2 for an epoch (0-based) where ``alignment_ramp`` changes them."""
        settings = self.settings
        if settings.alignment_ramp:
            share = min(1.0, (epoch + 1) / (settings.alignment_ramp + 1))
            self.weights.adversarial = share * settings.weight_adversarial
            self.weights.similarity = share * settings.weight_similarity

    def identity(self, logits: Tensor, pids: Tensor) -> Term:
        """L_IDE (Eq. 1) of logits (b, N): the mean over this process's part of the batch.

        The mean over the processes is that of the global batch.
        """
        # DistributedDataParallel waits for the gradient of every parameter, also at weight 0.
        if self.settings.weight_identity == 0 and not distributed.active():
            return OFF
        own_pids = distributed.own(pids)
        return losses.identity_loss(logits, own_pids, self.settings.label_smoothing).double()

    def triplet(self, features: Tensor, pids: Tensor) -> Term:
        """L_Triplet (Eq. 2) of m."""
        settings = self.settings
        if settings.weight_triplet == 0:
            return OFF
        return losses.batch_hard_triplet_loss(
            features, pids, settings.margin, settings.normalize_triplet
        ).double()

    def confusion(self, aligned: Tensor) -> Term:
        """L_DA-T (Eq. 5), which leaves the discriminator without a gradient.

        Args:
            aligned: (B, D) of the mapping network, behind an encoder that passes no gradient unless
                ``alignment_reaches`` it.
        """
        if self.discriminator is None:
            return OFF
        constants = {name: each.detach() for name, each in self.discriminator.named_parameters()}
        logits = functional_call(self.discriminator, constants, aligned)
        return losses.domain_confusion_loss(logits, self.settings.confusion).double()

    def similarity(self, aligned: Tensor, pids: Tensor, domains: Tensor, epoch: int) -> Term:
        """L_SE (Eq. 8), from its epoch (0-based) on. It reads the ID pool and leaves it as it is.

        Args:
            aligned: as for :meth:`confusion`.
        """
        settings = self.settings
        if self.pool is None or not self.seeks(epoch):
            return OFF
        indices, valid = self.pool.nearest(aligned, domains, settings.top_k, pids)
        return losses.similarity_enhancement_loss(
            aligned,
            self.pool.rows(indices),
            settings.temperature,
            settings.similarity_reduction,
            valid,
            settings.similarity_log,
        ).double()

    def domain_logits(self, features: Tensor) -> Tensor | None:
        """(B, 2) of the discriminator, (B, S) if pairwise; None without one.

        Args:
            features: m without gradient, as L3 trains the discriminator only.
        """
        return None if self.discriminator is None else self.discriminator(features)

    def discrimination(self, domain_logits: Tensor | None, domains: Tensor) -> Term:
        """L_DA-D (Eq. 4) of what :meth:`domain_logits` returns."""
        if domain_logits is None:
            return OFF
        labels = self.domain_labels(domains)
        balanced = self.settings.discriminator == "balanced"
        return losses.domain_discrimination_loss(domain_logits, labels, balanced).double()

    def named(self, *terms: Term) -> dict[str, Tensor]:
        """Those of L_IDE, L_Triplet, L_DA-T, L_SE and L_DA-D that are switched on, by name."""
        named = zip((*self.named_weights(), "loss_domain"), terms, strict=True)
        return {name: term for name, term in named if isinstance(term, Tensor)}

    def named_weights(self) -> dict[str, float]:
        """The factors of L1 and L2 (Eq. 9) by the name of their term."""
        return {
            "loss_id": self.weights.identity,
            "loss_triplet": self.weights.triplet,
            "loss_confusion": self.weights.adversarial,
            "loss_similarity": self.weights.similarity,
        }

    def rates(
        self, logits: Tensor, domain_logits: Tensor | None, pids: Tensor, domains: Tensor
    ) -> dict[str, Tensor]:
        """Accuracies of both heads (%), the discriminator's balanced; the share of each source.

        Args:
            logits: (b, N) of the identity head.
            domain_logits: of :meth:`domain_logits`.
        """
        right = logits.argmax(1) == distributed.own(pids)
        rates = {"acc": right.mean(dtype=torch.float32) * 100}
        if domain_logits is not None:
            labels = self.domain_labels(domains)
            rates["balanced_acc_domain"] = balanced_accuracy(domain_logits, labels)
        shares = (domains[:, None] == self._source_indices).mean(0, dtype=torch.float32)
        names = (f"share_{source}" for source in self.sources)
        return rates | dict(zip(names, shares, strict=True))

    def seeks(self, epoch: int) -> bool:
        """Whether L_SE is on in an epoch (0-based)."""
        return self.settings.similarity and epoch >= self.settings.similarity_start_epoch

    def domain_labels(self, domains: Tensor) -> Tensor:
        """(B,) labels of the discriminator: central 1, peripheral 0, or the domain if pairwise."""
        if self.settings.alignment == "pairwise":
            return domains
        assert self.central is not None, "the central domain is decided before training"
        return (domains == self.central).long()
