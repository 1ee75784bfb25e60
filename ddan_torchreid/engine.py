"""The DDAN training step (Sec. 3.4, Eq. 9) in torchreid's engine loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from . import distributed
from .config.settings import DDANSettings
from .data import labels
from .method.batch_losses import BatchLosses
from .method.objective import DDANObjective
from .models.ddan_model import apply_neck, check_aligned
from .training.loop import EpochLoop
from .training.optimizers import FollowingSchedule, optimizer_like
from .training.step_runner import StepRunner


class ImageDDANEngine(EpochLoop):
    """Trains an image re-id model with DDAN (Chen et al., AAAI 2021) on several source domains.

    The engine owns the domain discriminator (with an optimiser of the same kind and settings as
    the model's, at ``discriminator_rate`` times the rate of its last parameter group) and the ID
    pool; both are registered, so that torchreid saves them beside the model. With
    ``weight_adversarial`` and ``weight_similarity`` 0 neither exists and the engine is the paper's
    baseline.

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
        settings = DDANSettings.from_keywords(options)
        settings.check_sources(datamanager.sources)
        self.bare_model = bare = distributed.unwrapped(model)
        check_aligned(bare)
        apply_neck(settings.neck, bare, optimizer)
        super().__init__(datamanager, settings, use_gpu)

        # MobileNetV2 trains faster in this layout; on a CPU the difference is large.
        self.model = model.to(memory_format=torch.channels_last)
        self.optimizer, self.scheduler = optimizer, scheduler
        self.register_model("model", model, optimizer, scheduler)
        self.device = device = next(model.parameters()).device
        bare.align = settings.adversarial or settings.similarity
        bare.reaches_encoder = settings.alignment_reaches == "encoder"
        train = self.train_loader.dataset.train
        domains = labels.identity_domains(train)
        self.objective = DDANObjective(settings, self.sources, domains, bare.feature_dim, device)
        self.discriminator, self.pool = self.objective.discriminator, self.objective.pool
        if self.discriminator is not None:
            self.optimizer_d = optimizer_like(optimizer, self.discriminator)
            schedule = FollowingSchedule(self.optimizer_d, optimizer, settings.discriminator_rate)
            self.register_model("discriminator", self.discriminator, self.optimizer_d, schedule)
        if self.pool is not None:
            self.register_model("identity_pool", self.pool)
        self.runner = StepRunner(self)
        self.extra_states |= self.runner.states()

    def forward_backward(self, data: dict[str, Any] | list[dict[str, Any]]) -> dict[str, float]:
        """One step on a batch, or on the mean over several.

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
        return self.runner.step(data)

    def parse_data_for_train(self, data: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Images of this process, and identity and domain labels of the global batch.

        All on the model's device. A process that is alone has the whole batch.
        """
        images, pids, domains = (
            data[key].to(self.device, non_blocking=True) for key in ("img", "pid", "dsetid")
        )
        images = images.contiguous(memory_format=torch.channels_last)
        return images, distributed.gather(pids), distributed.gather(domains)

    def losses(self, images: Tensor, pids: Tensor, domains: Tensor) -> BatchLosses:
        """L1, L2 and L3 of a batch (Eq. 9), each with the gradients that it is to have.

        A term that is switched off is 0. With a term of your own in a class that derives from this
        one, write ``cuda_graphs 'on'`` if it may be recorded.

        Args:
            images: (b, 3, H, W), the part of this process in the global batch.
            pids: (B,) identity labels of the global batch.
            domains: (B,) index of each image's source.
        """
        objective, w = self.objective, self.objective.weights
        logits, m, aligned = self.runner.forward(images)

        # ---- L1 -> encoder, mapping network, identity head ---------------------------------------
        L_IDE = objective.identity(logits, pids)
        L_Triplet = objective.triplet(m, pids)
        l1 = w.identity * L_IDE + w.triplet * L_Triplet

        # ---- L2 -> mapping network: `aligned` is M(stop_gradient(E(x))), unless L2 reaches E -----
        L_DA_T = objective.confusion(aligned)
        L_SE = objective.similarity(aligned, pids, domains, self.epoch)
        l2 = w.adversarial * L_DA_T + w.similarity * L_SE

        # ---- L3 -> discriminator only ------------------------------------------------------------
        m = m.detach()
        domain_logits = objective.domain_logits(m)
        L_DA_D = objective.discrimination(domain_logits, domains)
        l3 = L_DA_D

        terms = objective.named(L_IDE, L_Triplet, L_DA_T, L_SE, L_DA_D)
        rates = objective.rates(logits, domain_logits, pids, domains)
        return BatchLosses(l1, l2, l3, terms, m, rates)
