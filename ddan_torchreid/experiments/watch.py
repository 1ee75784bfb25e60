"""Follows a training step by step: epoch means, progress, time, and the ends of epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .averaging import WeightAverage

Report = Callable[[float], None]


class Watch:
    """Wraps an engine's training step, and is saved and resumed with its checkpoints.

    Args:
        engine: an engine that is about to run.
        average: told of each epoch that ends.
        report: called after each step with the part of an epoch that it was.
    """

    def __init__(self, engine: Any, average: WeightAverage, report: Report) -> None:
        self.average = average
        self.steps = 0
        self._engine = engine
        self._report = report
        self._step = engine.forward_backward
        # Of each epoch its number, and of each quantity the sum and how often it was there.
        self._epochs: list[tuple[int, dict[str, list[float]]]] = []
        self._earlier, self._started = 0.0, time.perf_counter()
        engine.forward_backward = self._forward_backward
        engine.extra_states["experiment"] = self

    def _forward_backward(self, data: Any) -> dict[str, float]:
        epoch = self._engine.epoch
        if not self._epochs or self._epochs[-1][0] != epoch:
            self.end_epoch()
            self._epochs.append((epoch, {}))
        summary = self._step(data)
        sums = self._epochs[-1][1]
        for key, value in summary.items():
            entry = sums.setdefault(key, [0.0, 0])
            entry[0] += value
            entry[1] += 1
        self.steps += 1
        self._report(1 / len(self._engine.train_loader))
        return summary

    def end_epoch(self) -> None:
        """Called when the next epoch begins, and to be called once after the last one."""
        if self._epochs:
            if self._engine.pool is not None:
                channels = self._engine.pool.distinct_largest_channels()
                self._epochs[-1][1]["pool_largest_channels"] = [channels, 1]
            self.average.end_epoch(self._epochs[-1][0])

    @property
    def seconds(self) -> float:
        """Time since the start, without the time between an interruption and its resumption."""
        return self._earlier + time.perf_counter() - self._started

    def curves(self) -> dict[str, list[float | None]]:
        """Mean of each quantity over each epoch, None where it was not there.

        ``pool_largest_channels``: number of distinct largest channels in the ID pool at its end.
        """
        keys = {key: None for _, sums in self._epochs for key in sums}
        curves: dict[str, list[float | None]] = {"epoch": [epoch + 1 for epoch, _ in self._epochs]}
        for key in keys:
            curves[key] = [
                round(sums[key][0] / sums[key][1], 6) if key in sums else None
                for _, sums in self._epochs
            ]
        return curves

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and tensors."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "epochs": self._epochs,
            "average": self.average.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken, and reports what had been trained by then."""
        self.steps, self._earlier = state["steps"], state["seconds"]
        self._epochs = [(epoch, sums) for epoch, sums in state["epochs"]]
        self.average.load_state_dict(state["average"])
        self._report(self.steps / len(self._engine.train_loader))
