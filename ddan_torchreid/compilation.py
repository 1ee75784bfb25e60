"""``torch.compile`` for the encoder's training pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def compiled(forward: Callable[[Tensor], Tensor], device: torch.device) -> Callable:
    """A forward pass that is compiled when it is first called.

    Args:
        forward: what an encoder does.
        device: where it does it.

    Raises:
        ValueError: nothing can be compiled for this device here; the message says why.
    """
    trial = torch.compile(lambda x: (x + 1).relu().sum())
    try:
        trial(torch.ones(8, device=device))
    except Exception as error:  # compilers and their drivers raise errors of many kinds
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"compile True does not work here ({reason.strip() or type(error).__name__}); "
            "write compile False"
        ) from error
    # Through a function of this file: TorchDynamo does not begin in a file of torch.nn, so that
    # Module.compile makes a graph for each kind of block, up to eight, and leaves all further ones
    # uncompiled.
    return torch.compile(lambda images: forward(images))
