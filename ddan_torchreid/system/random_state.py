"""The state of the global random generators, as a checkpoint holds it or a trial leaves it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


def capture() -> dict[str, Any]:
    """State of the generators of PyTorch (CPU and every GPU in use), Python and NumPy.

    It consists of tensors and numbers, so that it loads with ``weights_only=True``.
    """
    version, words, gauss = random.getstate()
    _, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "python": [version, torch.tensor(words), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
    }


def restore(state: dict[str, Any]) -> None:
    """Restores what `capture` gave; GPUs only where there are as many as then."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))


@contextmanager
def without_trace(*modules: nn.Module) -> Iterator[None]:
    """Lets passes through some modules leave no trace, such as running statistics that have moved.

    The random generators and the modules' buffers are afterwards as they were. Not when a pass
    fails, for a device that has failed restores nothing.
    """
    buffers = [(each, each.clone()) for module in modules for each in module.buffers()]
    generators = capture()
    yield
    restore(generators)
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
