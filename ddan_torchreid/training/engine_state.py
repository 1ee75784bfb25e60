"""What this room knows of the engine, which is built on it and so cannot be imported here."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..config.settings import DDANSettings
from ..method.batch_losses import BatchLosses
from ..method.objective import DDANObjective
from .checkpoint_store import Keeper, ResumePoint


class EngineState(Protocol):
    """What a step is taken with, and what a checkpoint is written from and loaded into.

    Attributes:
        model: wrapped in ``DataParallel`` or not; ``bare_model`` is the same without.
        discriminator: None without adversarial alignment.
        pool: None without the similarity term.
        epoch, batch_idx: where the training is, both from 0.
        keeper: of the output folder; None outside a run.
        extra_states, configuration, started, resumed: see `loop.EpochLoop`.
    """

    settings: DDANSettings
    objective: DDANObjective
    datamanager: Any
    train_loader: Any
    sources: list[str]
    device: torch.device
    model: nn.Module
    bare_model: Any
    discriminator: nn.Module | None
    pool: Any
    optimizer: torch.optim.Optimizer
    scheduler: Any
    epoch: int
    batch_idx: int
    keeper: Keeper | None
    extra_states: dict[str, Any]
    configuration: str | None
    started: int
    resumed: ResumePoint | None
    # torchreid's, by the name that a model is registered under.
    _models: dict[str, nn.Module]
    _optims: dict[str, Any]
    _scheds: dict[str, Any]

    def get_model_names(self, names: Any = None) -> list[str]: ...
    def parse_data_for_train(self, data: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]: ...
    def losses(self, images: Tensor, pids: Tensor, domains: Tensor) -> BatchLosses: ...
