"""What checkpoints read and write of an engine."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from ..config.settings import DDANSettings
from ..method.objective import DDANObjective
from .checkpoint_store import ResumePoint


class EngineState(Protocol):
    """An engine as :mod:`.checkpoint` and :mod:`.resuming` see it.

    :class:`~ddan_torchreid.engine.ImageDDANEngine` is one, and imports them.

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
