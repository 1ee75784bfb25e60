"""Times variants in turn, in one run, so that a change of the machine's load meets all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        device: that the networks run on.
        rounds: times that each variant is measured; None for the measurement's own number.
        tiny: sizes of a smoke test, whose figures mean nothing.
        threads: of the CPU.
    """

    device: torch.device
    rounds: int | None = None
    tiny: bool = False
    threads: int = 1

    def size(self, real: int, tiny: int) -> int:
        """One of two sizes."""
        return tiny if self.tiny else real

    def rounds_or(self, default: int) -> int:
        """Rounds of a measurement whose own number is ``default``."""
        return self.rounds or (2 if self.tiny else default)

    def clock(self) -> Callable[[], float]:
        """Seconds: of the processor where one thread works on it, else of the wall.

        A clock of the wall waits for the GPU before it is read.
        """
        if self.device.type == "cpu":
            return time.process_time if self.threads == 1 else time.perf_counter

        def synchronised() -> float:
            torch.cuda.synchronize(self.device)
            return time.perf_counter()

        return synchronised


def interleaved(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float],
    warm_up: bool = True,
) -> dict[str, list[float]]:
    """Seconds of each variant in each round.

    Every round runs all variants once, every second one in the opposite order, so that none always
    follows the same other one.

    Args:
        variants: what to run, by name.
        rounds: 1 or more.
        clock: in seconds.
        warm_up: run each once before.
    """
    if warm_up:
        for variant in variants.values():
            variant()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in reversed(names) if number % 2 else names:
            start = clock()
            variants[name]()
            seconds[name].append(clock() - start)
    return seconds
