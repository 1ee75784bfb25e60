"""The DDAN training step (Eq. 9) in torchreid's engine loop."""

from __future__ import annotations

import math
import os
from typing import Any

import torch
import torchreid
from torch import Tensor, nn

from . import checkpoint, losses
from .central import choose_central_domain
from .data import labels
from .data.leaks import check_leaks
from .data.loader import stabilise_train_loader
from .data.reading import read_safely, skip_unreadable
from .evaluation import Scores, extract_features, mean_scores, print_scores, score
from .objective import DDANObjective
from .optim import FollowingSchedule, optimizer_like
from .settings import DDANSettings


class ImageDDANEngine(torchreid.engine.Engine):
    """Trains an image re-id model with DDAN (Chen et al., AAAI 2021) on several source domains.

    The engine owns the domain discriminator (with an optimiser of the same kind and settings as
    the model's, at the learning rate of its last parameter group) and the ID pool; both are
    registered, so that torchreid saves them beside the model. With ``weight_adversarial`` and
    ``weight_similarity`` 0 neither exists and the engine is the paper's baseline.

    Args:
        datamanager: a ``torchreid.data.ImageDataManager`` with two sources or more. Identity
            labels are made independent of process, machine and data root before training.
        model: a model built with ``loss='ddan'``, wrapped in ``DataParallel`` or not.
        optimizer: optimiser of the model.
        scheduler: its learning-rate scheduler; None keeps the rate.
        use_gpu: as in torchreid's engines. The engine works on the device that the model is on.
        **options: see :class:`~ddan_torchreid.settings.DDANSettings`, such as
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
        bare: Any = model.module if isinstance(model, nn.DataParallel) else model
        if getattr(bare, "loss", None) != "ddan":
            raise ValueError(
                "the model returns no aligned features; build it with "
                "torchreid.models.build_model('ddan_mobilenetv2_x1_0', ..., loss='ddan')"
            )
        stabilise_train_loader(datamanager, seed=settings.seed)
        read_safely(datamanager)
        super().__init__(datamanager, use_gpu)

        # MobileNetV2 trains faster in this layout; on a CPU the difference is large.
        self.model = model.to(memory_format=torch.channels_last)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.register_model("model", model, optimizer, scheduler)
        self.device = next(model.parameters()).device
        self.scores: dict[str, Scores] = {}
        self._share_names = [f"share_{name}" for name in self.sources]

        train = self.train_loader.dataset.train
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

    # -- one training step ---------------------------------------------------------------------

    def forward_backward(self, data: dict[str, Any]) -> dict[str, float]:
        """One step on a batch; Eq. 9 says which loss reaches which network.

        Args:
            data: ``img`` (B, 3, H, W), ``pid`` (B,) and ``dsetid`` (B,), as torchreid loads them.

        Returns:
            Unweighted loss terms, accuracy of the identity head (%) and of the domain
            discriminator (%), and the share of each source in the batch.

        Raises:
            FloatingPointError: a loss term is not finite; the weights are left as they were.
        """
        images, pids, domains = self.parse_data_for_train(data)
        logits, features, aligned = self.model(images)

        # L1 = L_IDE + lambda_1 L_Triplet -> encoder, mapping network, identity head
        terms = self.objective.identity_terms(logits, features, pids)
        # L2 = lambda_2 L_DA-T + lambda_3 L_SE -> mapping network only: `aligned` is the mapping
        # of an encoder output that passes no gradient on
        terms |= self.objective.alignment_terms(aligned, pids, domains, self.epoch)
        total = sum(self.objective.weights[name] * term for name, term in terms.items())
        # L3 = L_DA-D -> discriminator only
        if self.discriminator is not None:
            domain_labels = self.objective.domain_labels(domains)
            domain_logits = self.discriminator(features.detach())
            terms["loss_domain"] = losses.domain_discrimination_loss(domain_logits, domain_labels)

        summary = self._finite_values(terms)
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[union-attr]
        self.optimizer.step()
        if self.discriminator is not None:
            self.optimizer_d.zero_grad()
            terms["loss_domain"].backward()
            self.optimizer_d.step()
        if self.pool is not None:
            # Eqs. 6, 7: the loss above has read the pool as it was before this batch.
            self.pool.update(features.detach(), pids)

        shares = domains[:, None] == torch.arange(len(self.sources), device=self.device)
        rates = {"acc": _accuracy(logits, pids)}
        if self.discriminator is not None:
            rates["acc_domain"] = _accuracy(domain_logits, domain_labels)
        rates |= dict(zip(self._share_names, shares.float().mean(0), strict=True))
        return summary | _to_floats(rates)

    def parse_data_for_train(self, data: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Images, identity labels and domain labels of a batch, on the model's device."""
        images, pids, domains = (
            data[key].to(self.device, non_blocking=True) for key in ("img", "pid", "dsetid")
        )
        return images.contiguous(memory_format=torch.channels_last), pids, domains

    def _finite_values(self, terms: dict[str, Tensor]) -> dict[str, float]:
        values = _to_floats(terms)
        for name, value in values.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} in epoch {self.epoch + 1}, batch {self.batch_idx + 1}; "
                    "training stopped, and this batch has not changed the weights. Lower the "
                    "learning rate or the weight of this term"
                )
        return values

    # -- torchreid's loop ----------------------------------------------------------------------

    def run(self, *args: Any, **keywords: Any) -> None:
        """torchreid's ``Engine.run``, with L2-normalised features by default as DDAN compares them.

        Before the first epoch, leaks and (``bad_images='skip'``) unreadable images are looked for,
        and ``central_domain='auto'`` is decided (Eq. 3).

        Raises:
            ValueError: training images are query or gallery images too; an image is unreadable.
        """
        keywords.setdefault("normalize_feature", True)
        testing_only = keywords.get("test_only", False)
        if self.settings.bad_images == "skip":
            skip_unreadable(self.datamanager, training=not testing_only)
        if not testing_only:
            check_leaks(self.datamanager, self.settings.allow_leaks)
        undecided = self.settings.needs_central_domain and self.objective.central is None
        if undecided and not testing_only:
            name = choose_central_domain(
                self.model, self.datamanager, self.device, seed=self.settings.seed or 0
            )
            print(f"=> Central domain: {name}")
            self.objective.set_central_domain(name)
        super().run(*args, **keywords)

    def train(self, *args: Any, **keywords: Any) -> None:
        """One epoch of torchreid's loop, for which sampler, pool and random state are prepared."""
        if self.settings.seed is not None:
            torchreid.utils.set_random_seed(_epoch_seed(self.settings.seed, self.epoch))
        if hasattr(self.train_loader.sampler, "set_epoch"):
            self.train_loader.sampler.set_epoch(self.epoch)
        if self.pool is not None:
            self.pool.start_epoch()
        super().train(*args, **keywords)

    def test(self, *args: Any, **keywords: Any) -> float:
        """Tests on every target. Returns the mean rank-1 (torchreid's returns the last one's)."""
        self.scores = {}
        super().test(*args, **keywords)
        return mean_scores(self.scores)["rank-1"]

    def _evaluate(
        self,
        dataset_name: str = "",
        query_loader: Any = None,
        gallery_loader: Any = None,
        visrank: bool = False,
        visrank_topk: int = 10,
        save_dir: str = "",
        **options: Any,
    ) -> tuple[float, float]:
        scores = score(
            extract_features(self.model, query_loader, self.device),
            extract_features(self.model, gallery_loader, self.device),
            **options,
        )
        print_scores(scores)
        self.scores[dataset_name] = scores
        if visrank:
            torchreid.utils.visualize_ranked_results(
                scores.distances,
                self.datamanager.fetch_test_loaders(dataset_name),
                self.datamanager.data_type,
                width=self.datamanager.width,
                height=self.datamanager.height,
                save_dir=os.path.join(save_dir, f"visrank_{dataset_name}"),
                topk=visrank_topk,
            )
        return scores.rank1, scores.mean_ap

    def save_model(self, epoch: int, rank1: float, save_dir: str, is_best: bool = False) -> None:
        """Saves every registered model in torchreid's layout, ``save_dir/<name>/model.pth.tar-N``.

        Args:
            epoch: 0-based epoch that ended; N is one more.
            rank1: mean rank-1 over the targets, a fraction.
            save_dir: output folder.
            is_best: also write ``model-best.pth.tar``.
        """
        checkpoint.save(self, epoch, rank1, save_dir, is_best)


def _accuracy(logits: Tensor, classes: Tensor) -> Tensor:
    return (logits.argmax(1) == classes).float().mean() * 100


def _to_floats(values: dict[str, Tensor]) -> dict[str, float]:
    # One transfer for all of them: each .item() would wait for the device.
    numbers = torch.stack([value.detach().float() for value in values.values()]).tolist()
    return dict(zip(values, numbers, strict=True))


def _epoch_seed(seed: int, epoch: int) -> int:
    # Knuth's multiplicative hash keeps (seed, epoch) pairs apart; NumPy seeds have 32 bits.
    return (seed * 2654435761 + epoch) % 2**32
