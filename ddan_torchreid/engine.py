"""The DDAN training step (Eq. 9) in torchreid's engine loop."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from . import distributed
from .config.settings import DDANSettings
from .data import labels
from .data.loader import order_train_loader, stabilise_train_loader
from .data.reading import read_safely
from .method.discriminator import balanced_accuracy
from .method.losses import domain_discrimination_loss
from .method.objective import DDANObjective
from .models.neck import apply_neck
from .training.acceleration.compilation import compile_encoder
from .training.acceleration.cuda_graphs import recorded_step
from .training.acceleration.precision import GradientScaler, autocast_dtype
from .training.gradients import not_finite, term_gradients
from .training.loop import EpochLoop
from .training.non_finite import stop
from .training.optimizers import FollowingSchedule, WarmUp, optimizer_like


class ImageDDANEngine(EpochLoop):
    """Trains an image re-id model with DDAN (Chen et al., AAAI 2021) on several source domains.

    The engine owns the domain discriminator (with an optimiser of the same kind and settings as
    the model's, at the learning rate of its last parameter group) and the ID pool; both are
    registered, so that torchreid saves them beside the model. With ``weight_adversarial`` and
    ``weight_similarity`` 0 neither exists and the engine is the paper's baseline.

    Args:
        datamanager: a ``torchreid.data.ImageDataManager`` with two sources or more. Identity
            labels are made independent of process, machine and data root before training.
        model: a model built with ``loss='ddan'``, wrapped in ``DataParallel`` or not.
        optimizer: optimiser of the model. With ``neck='none'`` it loses the neck's parameters.
        scheduler: its learning-rate scheduler; None keeps the rate.
        use_gpu: as in torchreid's engines. The engine works on the device that the model is on.
        **options: see :class:`~ddan_torchreid.config.settings.DDANSettings`, such as
            ``central_domain='cuhksysu'``, ``weight_adversarial=0.18``, ``top_k=8``.

    Raises:
        ValueError: options that do not fit each other or the data; the message says what to write.
        TypeError: an option that does not exist.
    """

    def __init__(
        self,
        datamanager: Any,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: Any = None,
        use_gpu: bool = True,
        **options: Any,
    ) -> None:
        self.settings = settings = DDANSettings.from_keywords(options)
        self.sources: list[str] = datamanager.sources
        settings.check_sources(self.sources)
        self.bare_model = bare = distributed.unwrapped(model)
        # torchreid's own models remember whatever loss they are given.
        parts = all(hasattr(bare, name) for name in ("mapping", "feature_dim"))
        if getattr(bare, "loss", None) != "ddan" or not parts:
            raise ValueError(
                "the model returns no aligned features; build it with "
                "torchreid.models.build_model('ddan_mobilenetv2_x1_0', ..., loss='ddan'), or in a "
                "configuration write model.name ddan_mobilenetv2_x1_0"
            )
        apply_neck(settings.neck, bare, optimizer)
        stabilise_train_loader(datamanager, seed=settings.seed)
        order_train_loader(datamanager, seed=settings.seed)
        read_safely(datamanager)
        super().__init__(datamanager, use_gpu)

        # MobileNetV2 trains faster in this layout; on a CPU the difference is large.
        self.model = model.to(memory_format=torch.channels_last)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.register_model("model", model, optimizer, scheduler)
        self.device = next(model.parameters()).device
        self._share_names = [f"share_{name}" for name in self.sources]
        bare.autocast_dtype = autocast_dtype(settings.amp, self.device)
        self.scaler = GradientScaler(bare.autocast_dtype, self.device)
        if self.scaler.is_enabled():
            self.extra_states["scaler"] = self.scaler
        self.warmup = WarmUp(settings.warmup_steps)
        if settings.warmup_steps:
            self.extra_states["warmup"] = self.warmup
        if settings.compile:
            compile_encoder(model, self.device)

        train = self.train_loader.dataset.train
        if distributed.active() and distributed.differs(labels.label_digest(train)):
            raise ValueError(
                "the processes find different training images; give all of them the same data"
            )
        if settings.weight_triplet > 0 and (labels.images_per_identity(train) < 2).all():
            raise ValueError(
                "no identity of the sources has two images, so the triplet term has no positive "
                "pair; check the sources, or write weight_triplet 0.0"
            )
        bare.align = settings.adversarial or settings.similarity
        self.objective = DDANObjective(
            settings,
            self.sources,
            labels.identity_domains(train),
            bare.feature_dim,
            self.device,
        )
        self.discriminator = self.objective.discriminator
        if self.discriminator is not None:
            self.optimizer_d = optimizer_like(optimizer, self.discriminator)
            schedule = FollowingSchedule(self.optimizer_d, optimizer)
            self.register_model("discriminator", self.discriminator, self.optimizer_d, schedule)
        self.pool = self.objective.pool
        if self.pool is not None:
            self.register_model("identity_pool", self.pool)

        if settings.sync_batchnorm:
            distributed.normalise_jointly(bare)
        self._parallel = distributed.parallel(model)
        if self.discriminator is not None:
            distributed.send_from_first(self.discriminator)
        self._recorded = recorded_step(self)

    def forward_backward(self, data: dict[str, Any] | list[dict[str, Any]]) -> dict[str, float]:
        """One step on a batch, or on the mean over several; Eq. 9 says which loss reaches what.

        Args:
            data: ``img`` (B, 3, H, W), ``pid`` (B,) and ``dsetid`` (B,), as torchreid loads them;
                or a list of such batches, of equal size.

        Returns:
            Unweighted loss terms, accuracy of the identity head (%), balanced accuracy of the
            domain discriminator (%; guessing gives 50, with S domains in pairs 100 / S), the share
            of each source in the batch, with float16 how often (%) the step was skipped because
            the gradient overflowed, and at the steps that ``log_gradients`` chooses each term's
            ``gradient_<term>`` on the mapping network.

        Raises:
            FloatingPointError: a loss term or a gradient is not finite; the weights are left as
                they were.
        """
        batches = data if isinstance(data, list) else [data]
        optimizers = [self.optimizer, *([self.optimizer_d] if self.discriminator else [])]
        for optimizer in optimizers:
            optimizer.zero_grad()
        watched = (every := self.settings.log_gradients) and self.batch_idx % every == 0
        values, seen = [], []
        for number, batch in enumerate(batches, 1):
            last = number == len(batches)
            with distributed.averaging(self._parallel, now=last):
                images, pids, domains = self.parse_data_for_train(batch)
                if self._recorded is None or watched or len(batches) > 1:
                    found = self.differentiate(images, pids, domains, 1 / len(batches), watched)
                else:
                    found = self._recorded(images, pids, domains)
                terms, features, rates = found
            if last:
                self.scaler.unscale_(self.optimizer)
                if self.discriminator is not None:
                    distributed.average_gradients(self.discriminator)
            values.append({**terms, "not_finite": not_finite(optimizers), **rates})
            seen.append((features, pids))

        # Before the weights change, and in the step's only wait for the device.
        summaries, finite = distributed.mean_numbers(values), True
        for batch, summary in zip(batches, summaries, strict=True):
            losses = {name: summary[name] for name in terms}
            finite = summary.pop("not_finite") == 0 and finite
            if not all(map(math.isfinite, losses.values())) or not (
                finite or self.scaler.forgives()
            ):
                stop(self, batch, losses)
        if finite:
            with self.warmup.applied(optimizers):
                for optimizer in optimizers:
                    optimizer.step()
        self.scaler.end_step(finite)
        if self.pool is not None:
            # Eqs. 6, 7: the losses above have read the pool as it was before this step.
            joined = seen[0] if len(seen) == 1 else map(torch.cat, zip(*seen, strict=True))
            self.pool.update(*joined)
        means = {
            name: sum(each[name] for each in summaries) / len(summaries) for name in summaries[0]
        }
        return means | ({"skipped": 100.0 * (not finite)} if self.scaler.is_enabled() else {})

    def differentiate(
        self, images: Tensor, pids: Tensor, domains: Tensor, share: float = 1.0, watch: bool = False
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Adds the gradients of :meth:`loss_terms` to the parameters', without waiting for a GPU.

        Args:
            images, pids, domains: as there.
            share: of this batch in the step.
            watch: also measure the gradient of each term.

        Returns:
            What :meth:`loss_terms` returns, detached.
        """
        terms, features, rates = self.loss_terms(images, pids, domains)
        if watch:
            rates |= term_gradients(terms, self.objective.weights, self.bare_model.mapping)
        self._add_gradients(terms, share)
        return {name: term.detach() for name, term in terms.items()}, features, rates

    def _add_gradients(self, terms: dict[str, Tensor], share: float) -> None:
        # L1 + L2 -> encoder, mapping network, identity head; L3 -> discriminator. One pass for all
        # of them, that begins with the weights: nobody reads the sum itself. Nor the gradient of
        # the mapping's copy of its input, but to leave it out takes a list of all parameters.
        roots, gradients = [], []
        for name, term in terms.items():
            if term.requires_grad:  # which it does not where all that it trains is frozen
                gradient = term.new_full((), share * self.objective.weights.get(name, 1.0))
                # The discriminator's optimiser knows nothing of float16's scale.
                scaled = gradient if name == "loss_domain" else self.scaler.scale(gradient)
                roots.append(term)
                gradients.append(scaled)
        torch.autograd.backward(roots, gradients)

    def loss_terms(
        self, images: Tensor, pids: Tensor, domains: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """All terms of Eq. 9 for a batch, as its three losses see the networks.

        Args:
            images: (B, 3, H, W); of several processes, each has its part of them.
            pids: (B,) identity labels, of the joined batch as everything below.
            domains: (B,) index of each image's source.

        Returns:
            The unweighted terms by name; the features (B, D), detached; and by name the accuracies
            (%) and the share of each source in the batch.
        """
        logits, features, aligned = (self._parallel or self.model)(images)
        features, aligned = distributed.gather(features), distributed.gather(aligned)
        # L1 = L_IDE + lambda_1 L_Triplet -> encoder, mapping network, identity head
        terms = self.objective.identity_terms(logits, features, pids)
        # L2 = lambda_2 L_DA-T + lambda_3 L_SE -> mapping network only: `aligned` is the mapping
        # of an encoder output that passes no gradient on
        terms |= self.objective.alignment_terms(aligned, pids, domains, self.epoch)
        rates = {"acc": _accuracy(logits, distributed.own(pids))}
        # L3 = L_DA-D -> discriminator only
        features = features.detach()
        if self.discriminator is not None:
            domain_labels = self.objective.domain_labels(domains)
            domain_logits = self.discriminator(features)
            terms["loss_domain"] = domain_discrimination_loss(domain_logits, domain_labels)
            rates["balanced_acc_domain"] = balanced_accuracy(domain_logits, domain_labels)
        shares = domains[:, None] == torch.arange(len(self.sources), device=self.device)
        rates |= dict(zip(self._share_names, shares.mean(0, dtype=torch.float32), strict=True))
        return terms, features, rates

    def parse_data_for_train(self, data: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Images of this process, and identity and domain labels of the joined batch.

        All on the model's device. A process that is alone has the whole batch.
        """
        images, pids, domains = (
            data[key].to(self.device, non_blocking=True) for key in ("img", "pid", "dsetid")
        )
        images = images.contiguous(memory_format=torch.channels_last)
        return images, distributed.gather(pids), distributed.gather(domains)

    def get_current_lr(self, names: Any = None) -> float:
        """Learning rate of the last step taken, which torchreid prints and writes."""
        return super().get_current_lr(names) * self.warmup.share(max(1, self.warmup.taken))

    def test(self, *args: Any, **keywords: Any) -> float:
        """The loop's, which has the memory of the recorded step to itself."""
        if self._recorded is not None:
            self._recorded.forget()
        return super().test(*args, **keywords)

    def two_stepped_transfer_learning(self, *args: Any, **keywords: Any) -> None:
        """torchreid's, which opens and freezes layers; they are then trained in parallel anew."""
        super().two_stepped_transfer_learning(*args, **keywords)
        # torchreid puts every layer that is not opened into eval mode, and nobody opens dropout.
        self.bare_model.dropout.train()
        self._parallel = distributed.parallel(self.model)


def _accuracy(logits: Tensor, classes: Tensor) -> Tensor:
    return (logits.argmax(1) == classes).mean(dtype=torch.float32) * 100
