"""The discriminator's optimiser, which follows the model's, and the warm-up of both."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn


def optimizer_like(optimizer: torch.optim.Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    """Builds an optimiser for a new module with the kind and settings of another.

    The release trains the discriminator with the optimiser and rate of the newly added layers,
    which in torchreid is the last parameter group.
    """
    accepted = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in accepted}
    settings["lr"] = optimizer.param_groups[-1]["lr"]
    return type(optimizer)(module.parameters(), **settings)


class FollowingSchedule:
    """Gives an optimiser ``factor`` times its leader's rate, whatever drives that, at once.

    The leader's rate is that of its last parameter group. Has the part of a scheduler's interface
    that torchreid's engine uses.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        leader: torch.optim.Optimizer,
        factor: float = 1.0,
    ) -> None:
        self.optimizer = optimizer
        self.leader = leader
        self.factor = factor
        self.step()

    def step(self) -> None:
        """Takes the leader's rate; torchreid steps the model's scheduler before this one."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.factor * self.leader.param_groups[-1]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """Empty: the leader's own scheduler holds the state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes the leader's rate, which its own checkpoint has restored."""
        self.step()


class WarmUp:
    """Learning rates that rise linearly over the first steps, to what their schedulers say.

    The groups hold the smaller rate only while the optimisers step, so no scheduler computes from
    it and no checkpoint holds it. PyTorch's ``LinearLR`` changes the rates for good: schedulers in
    closed form, such as ``LambdaLR``, undo it, and it leaves rounding errors to the others.

    Attributes:
        taken: steps so far; skipped ones do not count.

    Args:
        steps: N; step n of the run has n / N of the rate, and all of it from step N on.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.taken = 0

    def share(self, step: int) -> float:
        """Share of the scheduler's rate that a step has; the first step is number 1."""
        return min(1.0, step / self.steps) if self.steps else 1.0

    @contextlib.contextmanager
    def applied(self, optimizers: Iterable[torch.optim.Optimizer]) -> Iterator[None]:
        """The rates of the next step, for as long as the optimisers take it."""
        groups = [group for each in optimizers for group in each.param_groups]
        rates = [group["lr"] for group in groups]
        try:
            for group in groups:
                group["lr"] = group["lr"] * self.share(self.taken + 1)
            yield
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
        self.taken += 1

    def state_dict(self) -> dict[str, int]:
        """What a run needs to go on."""
        return {"steps": self.steps, "taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where a checkpoint was written."""
        self.taken = state["taken"]
