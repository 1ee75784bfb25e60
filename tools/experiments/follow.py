"""Follows a training step by step: epoch means of what a step returns, number of steps, time."""

from __future__ import annotations

import time
from typing import Any


class EpochMeans:
    """Wraps an engine's training step, and is saved and resumed with its checkpoints.

    Args:
        engine: an engine that is about to run.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._step = engine.forward_backward
        self._steps = 0
        # Of each epoch its number, and of each quantity the sum and how often it was there.
        self._epochs: list[tuple[int, dict[str, list[float]]]] = []
        self._earlier, self._started = 0.0, time.perf_counter()
        engine.forward_backward = self._forward_backward
        engine.extra_states["experiment"] = self

    def _forward_backward(self, data: Any) -> dict[str, float]:
        epoch = self._engine.epoch
        if not self._epochs or self._epochs[-1][0] != epoch:
            self._epochs.append((epoch, {}))
        summary = self._step(data)
        sums = self._epochs[-1][1]
        for key, value in summary.items():
            entry = sums.setdefault(key, [0.0, 0])
            entry[0] += value
            entry[1] += 1
        engine = self._engine
        if engine.pool is not None and engine.batch_idx + 1 == engine.num_batches:
            sums["pool_largest_channels"] = [engine.pool.distinct_largest_channels(), 1]
        self._steps += 1
        return summary

    def entries(self) -> dict[str, Any]:
        """``curves``, ``steps`` and ``seconds`` of a record; see :mod:`.records`.

        Time between an interruption and its resumption does not count.
        """
        keys = {key: None for _, sums in self._epochs for key in sums}
        curves: dict[str, list[float | None]] = {"epoch": [epoch + 1 for epoch, _ in self._epochs]}
        for key in keys:
            curves[key] = [
                round(sums[key][0] / sums[key][1], 6) if key in sums else None
                for _, sums in self._epochs
            ]
        return {"curves": curves, "steps": self._steps, "seconds": round(self._seconds(), 1)}

    def _seconds(self) -> float:
        return self._earlier + time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"steps": self._steps, "seconds": self._seconds(), "epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self._steps, self._earlier = state["steps"], state["seconds"]
        self._epochs = [(epoch, sums) for epoch, sums in state["epochs"]]
