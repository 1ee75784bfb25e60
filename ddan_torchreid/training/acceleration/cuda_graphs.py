"""The device's part of a training step as one CUDA graph, for GPUs that would wait for the host.

A step of MobileNetV2 starts thousands of kernels, and a fast GPU ends most of them before the host
has started the next. A graph starts all of them at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ... import distributed
from ...config.settings import DDANSettings
from ...system.random_state import without_trace

# Each size of batch has a recording; a loader has two, one of them for the last batch of an epoch.
MOST_SIZES = 4
# As many as PyTorch takes: libraries set themselves up in the first, cuDNN tries its algorithms.
WARM_UPS = 3
# A replay runs no Python code. Layers of these packages have none that it would miss.
FAMILIAR = {"torch", "torchvision", "torchreid", __name__.partition(".")[0]}


def wanted(settings: DDANSettings, model: nn.Module, device: torch.device) -> bool:
    """Whether steps are to be recorded, by the settings, the model and its device.

    Raises:
        ValueError: ``'on'`` where there can be no graphs; the message says why.
    """
    reasons = {
        "needs a GPU": device.type != "cuda",
        "is for one process": distributed.active(),
        "is for one GPU": isinstance(model, nn.DataParallel) and len(model.device_ids) > 1,
    }
    for reason, holds in reasons.items():
        if holds and settings.cuda_graphs == "on":
            raise ValueError(f"cuda_graphs 'on' {reason}; write cuda_graphs 'auto'")
    if any(reasons.values()) or settings.cuda_graphs == "off":
        return False
    return settings.cuda_graphs == "on" or (
        torch.version.cuda is not None
        and settings.accumulate_steps == 1
        and settings.pool_device == "model"
        and os.environ.get("CUDA_LAUNCH_BLOCKING", "0") == "0"  # set to look for an error
        and all(map(familiar, model.modules()))
    )


def familiar(part: Any) -> bool:
    """Whether a layer or a method is known to do nothing but start kernels, always the same."""
    return part.__module__.split(".")[0] in FAMILIAR


class RecordedStep:
    """A function that is recorded when it is first called, and replayed from then on.

    A replay starts the same kernels on the same memory, so it gives what the function would give,
    random numbers included. What a recording depends on is compared at each call, and a change
    makes a new one: where tensors of the modules lie, which of them are trained, the modes of the
    layers, what ``constants`` returns. The function is called as it is while a layer or a parameter
    has hooks, which no replay would call, under autocast of the caller, which keeps converted
    weights, and while PyTorch looks for anomalies.

    The next call overwrites the memory of results and gradients.

    Args:
        step: takes tensors, adds gradients to those parameters of ``trained`` that require them,
            and returns tensors in whatever containers. It never waits for the device.
        trained: modules whose parameters have no gradients when the step is called.
        read: modules that it reads only.
        constants: returns whatever else the step depends on; None to call it as it is.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        trained: Sequence[nn.Module],
        read: Sequence[nn.Module],
        constants: Callable[[], Hashable],
    ) -> None:
        self._step = step
        self._trained = list(trained)
        self._read = list(read)
        self._constants = constants
        self._basis: list | None = None
        self._recordings: dict[Any, Recording] = {}

    def __call__(self, *inputs: Tensor) -> Any:
        basis: list = [self._constants()]
        recordable = basis[0] is not None and all(
            _add_basis(module, basis) for module in (*self._trained, *self._read)
        )
        autocast = torch.is_autocast_enabled(inputs[0].device.type)
        if not recordable or autocast or torch.is_anomaly_enabled():
            return self._step(*inputs)
        if basis != self._basis:
            self._recordings.clear()
            self._basis = basis
        sizes = tuple((each.shape, each.stride(), each.dtype) for each in inputs)
        if sizes not in self._recordings:
            if len(self._recordings) == MOST_SIZES:
                return self._step(*inputs)
            # Only one is replayed at a time, so they share their memory.
            memory = next((each.graph.pool() for each in self._recordings.values()), None)
            with without_trace(*self._trained):
                self._recordings[sizes] = Recording(self._step, inputs, self._trained, memory)
        return self._recordings[sizes].replay(inputs)

    def forget(self) -> None:
        """Gives the memory of the recordings and of the gradients back; they are made anew."""
        self._recordings.clear()
        for module in self._trained:
            module.zero_grad()


def _add_basis(module: nn.Module, basis: list) -> bool:
    """Adds what a recording depends on of a module; False if it has hooks.

    Not through ``module.modules()``, which takes twice as long, and a GPU waits meanwhile.
    """
    if module._forward_hooks or module._forward_pre_hooks:
        return False
    if module._backward_hooks or module._backward_pre_hooks:
        return False
    basis.append(module.training)
    for buffer in module._buffers.values():
        if buffer is not None:
            basis.append(buffer.data_ptr())
    for parameter in module._parameters.values():
        if parameter is not None:
            if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
                return False
            basis.append(parameter.data_ptr())
            basis.append(parameter.requires_grad)
    return all(part is None or _add_basis(part, basis) for part in module._modules.values())


class Recording:
    """One graph of a step, with the tensors that it reads and those that it writes.

    Args:
        trained: modules whose parameters the step may add gradients to.
        memory: ``graph.pool()`` of another recording, to be shared; None for its own.

    Raises:
        ValueError: the step does something that cannot be recorded.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        inputs: Sequence[Tensor],
        trained: Sequence[nn.Module],
        memory: Any,
    ) -> None:
        self._inputs = [each.clone() for each in inputs]
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(inputs[0].device):
            stream = _stream(inputs[0].device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    step(*self._inputs)
                    for module in trained:
                        module.zero_grad()
            # Otherwise a thread that copies batches to pinned memory meanwhile would be refused
            # its memory, and the recording would fail.
            mode = "thread_local"
            try:
                with torch.cuda.graph(self.graph, memory, stream, capture_error_mode=mode):
                    self._outputs = step(*self._inputs)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise ValueError(
                    f"the training step cannot be recorded ({str(error).splitlines()[0]}); write "
                    "cuda_graphs 'off'"
                ) from error
        parameters = [each for module in trained for each in module.parameters()]
        self._gradients = [(each, each.grad) for each in parameters if each.grad is not None]
        for module in trained:
            module.zero_grad()

    def replay(self, inputs: Sequence[Tensor]) -> Any:
        """Outputs for other inputs; the parameters have their gradients then."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self.graph.replay()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        return self._outputs


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    # One for all: libraries keep memory of their own for each stream.
    return torch.cuda.Stream(device)
