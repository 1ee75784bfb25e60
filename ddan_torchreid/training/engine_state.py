"""What the modules of this room know of the engine, which imports them."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..config.settings import DDANSettings
from ..method.batch_losses import BatchLosses
from ..method.objective import DDANObjective
from .checkpoint_store import Keeper, ResumePoint


class EngineState(Protocol):
    """What a checkpoint is written from and loaded into.

    Attributes:
        model: wrapped in ``DataParallel`` or not.
        bare_model: the same without.
        sources: names of the source domains.
        extra_states, configuration, started, resumed: as in
            :class:`~ddan_torchreid.training.loop.EpochLoop`.
    """

    settings: DDANSettings
    objective: DDANObjective
    datamanager: Any
    train_loader: Any
    sources: list[str]
    model: nn.Module
    bare_model: Any
    optimizer: torch.optim.Optimizer
    scheduler: Any
    extra_states: dict[str, Any]
    configuration: str | None
    started: int
    resumed: ResumePoint | None
    # torchreid's, by the name that a model is registered under.
    _models: dict[str, nn.Module]
    _optims: dict[str, Any]
    _scheds: dict[str, Any]

    def get_model_names(self, names: Any = None) -> list[str]:
        """The names that models are registered under."""
        ...


class Stepping(EngineState, Protocol):
    """What a step of the optimisers is made from.

    Attributes:
        device: of the model.
        discriminator: None without adversarial alignment.
        pool: None without the similarity term.
        epoch, batch_idx: where the training is, both from 0.
        keeper: of the output folder; None outside a run.
    """

    device: torch.device
    discriminator: nn.Module | None
    pool: Any
    epoch: int
    batch_idx: int
    keeper: Keeper | None

    def parse_data_for_train(self, data: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images, identity, domain and camera labels of a batch, on the device."""
        ...

    def losses(self, images: Tensor, pids: Tensor, domains: Tensor, cameras: Tensor) -> BatchLosses:
        """L1, L2 and L3 of them."""
        ...
