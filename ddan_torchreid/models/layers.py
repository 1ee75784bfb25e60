"""Layers that compute what PyTorch's do, to the bit, with a cheaper backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReLU6(nn.ReLU6):
    """min(max(x, 0), 6), in place in evaluation only.

    Backward needs the input, of which PyTorch's in-place layer makes a copy in training: it reads
    and writes all activations once more and saves no memory.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        return F.relu6(x, inplace=not self.training)


def replace_relu6(network: nn.Module) -> None:
    """Puts a :class:`ReLU6` in the place of every ``nn.ReLU6`` in a network."""
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.ReLU6:
                setattr(module, name, ReLU6())


class GlobalAveragePool(nn.AdaptiveAvgPool2d):
    """The mean over height and width, whose gradient has the memory format of the maps.

    PyTorch's is contiguous, and the batch norm before it takes several times as long on a CPU when
    its gradient is in another format than its input.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, 1, 1)."""
        if maps.requires_grad and maps.is_contiguous(memory_format=torch.channels_last):
            maps.register_hook(_to_channels_last)
        return super().forward(maps)


def _to_channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
