"""The encoder's training pass as CUDA graphs, for steps in which the GPU waits for the host.

A step of MobileNetV2 starts more than a thousand kernels, and a fast GPU is done with most of them
before the host has started the next. A graph starts all kernels of the encoder's forward pass at
once, and another one those of its backward pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class RecordedPass:
    """A forward pass that is recorded when it is first called, and replayed from then on.

    There is a recording for each size of batch and each set of trained parameters; its kernels are
    those of the pass itself. Gradients lie in memory that the next backward pass writes to, so a
    step of the optimiser can have only one.

    Args:
        model: a :class:`~ddan_torchreid.models.DDANModel` in its place and memory format.
        forward: what its encoder does.
        device: of the model.

    Raises:
        ValueError: the device has no CUDA graphs.
    """

    def __init__(
        self, model: Any, forward: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        if device.type != "cuda":
            raise ValueError("cuda_graphs True needs a GPU; write cuda_graphs False")
        self._model = model
        self._forward = forward
        self._recordings: dict[Any, Any] = {}
        # PyTorch keeps what belongs to a weight's gradient on the stream of the recording, and then
        # warns of it, although its backward pass waits for that stream.
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream does not match")

    def __call__(self, images: Tensor) -> Tensor:
        trained = tuple(p.requires_grad for p in self._model.encoder.parameters())
        if not any(trained):
            return self._forward(images)  # there is no backward pass to record
        key = (images.shape, trained)
        if key not in self._recordings:
            self._recordings[key] = self._record(images)
        return self._recordings[key](images)

    def _record(self, images: Tensor) -> Any:
        encoder = self._model.encoder
        # The passes before the recording leave no trace: training goes as it does without graphs.
        buffers = [buffer.clone() for buffer in encoder.buffers()]
        random_state = torch.cuda.get_rng_state(images.device)
        body = _Body(encoder, self._forward, self._model.autocast_dtype)
        # PyTorch refuses to record under the autocast of the caller, whose cache is on.
        with torch.autocast(images.device.type, enabled=False):
            recording = torch.cuda.make_graphed_callables(body, (images.clone(),))
        torch.cuda.set_rng_state(random_state, images.device)
        with torch.no_grad():
            for buffer, before in zip(encoder.buffers(), buffers, strict=True):
                buffer.copy_(before)
        return recording


class _Body(nn.Module):
    """What is recorded: a forward pass of an encoder, in the precision that the model sets."""

    def __init__(
        self,
        encoder: nn.Module,
        forward: Callable[[Tensor], Tensor],
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self._forward = forward
        self._dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        # Weights that autocast has converted and kept would be recorded, and never change again.
        enabled, device = self._dtype is not None, images.device.type
        with torch.autocast(device, self._dtype, enabled=enabled, cache_enabled=False):
            return self._forward(images)
