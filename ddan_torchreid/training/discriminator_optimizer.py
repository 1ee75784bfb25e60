"""The discriminator's optimiser, which follows the model's."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn


def optimizer_like(optimizer: torch.optim.Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    """Builds an optimiser for a new module with the kind and settings of another.

    The release trains the discriminator with the optimiser and rate of the newly added layers,
    which in torchreid is the last parameter group.

    Args:
        optimizer: the optimiser to follow.
        module: the module to train.
    """
    accepted = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in accepted}
    settings["lr"] = optimizer.param_groups[-1]["lr"]
    return type(optimizer)(module.parameters(), **settings)


class FollowingSchedule:
    """Gives an optimiser the learning rate that another one has, whatever scheduler drives that.

    Has the part of a scheduler's interface that torchreid's engine uses.

    Args:
        optimizer: the optimiser to set.
        leader: the optimiser to read; the rate is that of its last parameter group.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, leader: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.leader = leader

    def step(self) -> None:
        """Copies the leader's rate; torchreid steps the model's scheduler before this one."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.leader.param_groups[-1]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """Empty: the leader's own scheduler holds the state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes the leader's rate, which its own checkpoint has restored."""
        self.step()
