"""What the processes of a run tell each other, and the model that they train together.

In a run of one process nothing is told. Unless it says otherwise, every process must call a
function here at the same point of the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .processes import active, rank, size

T = TypeVar("T")


def gather(part: Tensor) -> Tensor:
    """The global batch: the parts of all processes, one after the other.

    The gradient of a loss that every process computes from the whole global batch, averaged over
    the processes as DistributedDataParallel does, is the gradient of one process with that batch.

    Args:
        part: (b, ...), of the same shape and type in every process.

    Returns:
        (b * size, ...).
    """
    return _Gather.apply(part) if active() else part


def own(joined: Tensor) -> Tensor:
    """The part of a global batch that this process contributed; no communication."""
    return joined.unflatten(0, (size(), -1))[rank()] if active() else joined


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        return _all_gather(part)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # Each process passes on the gradient of its own images only, so the sum over processes is
        # the whole. What DDP takes is the average.
        return own(grad) * size()


def gather_in_turn(part: Tensor, total: int) -> Tensor:
    """Rows that were dealt out in turn, as `shard_test_loader` does it, in their order again.

    Args:
        part: (ceil(total / size), ...) the rows rank, rank + size, ... of the whole.
        total: number of rows of the whole.

    Returns:
        (total, ...).
    """
    if not active():
        return part
    return _all_gather(part).unflatten(0, (size(), -1)).transpose(0, 1).flatten(0, 1)[:total]


def mean(values: Tensor) -> Tensor:
    """Average over the processes, without gradient; the input stays as it is."""
    if not active():
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / size()


def mean_numbers(values: Sequence[Mapping[str, Tensor]]) -> list[dict[str, float]]:
    """Averages of scalars over the processes, as numbers, with a single wait for the device."""
    tensors = [value.detach().float() for each in values for value in each.values()]
    numbers = iter(mean(torch.stack(tensors)).tolist())
    return [{name: next(numbers) for name in each} for each in values]


def largest(number: int) -> int:
    """The largest number of any process. One integer between CPUs: cheap enough for each step."""
    if not active():
        return number
    numbers = torch.tensor([number])
    dist.all_reduce(numbers, op=dist.ReduceOp.MAX)
    return int(numbers)


def share(value: T) -> T:
    """The first process's value, in every process. It is pickled."""
    if not active():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    return values[0]


def differs(value: Any) -> bool:
    """Whether a value is not the same in all processes."""
    return bool(largest(int(share(value) != value)))


def collect(value: T) -> list[T]:
    """The values of all processes, by rank, in the first one; an empty list in the others."""
    if not active():
        return [value]
    values: Any = [None] * size() if rank() == 0 else None
    dist.gather_object(value, values, dst=0)
    return values or []


def check_alike(values: Mapping[str, Any]) -> None:
    """Makes sure that all processes were started with the same values.

    Args:
        values: by name, with the same names in every process.

    Raises:
        ValueError: a value differs; the message, the same in all processes, names it.
    """
    different = (
        f"{name} is {found[name]!r} in process {number} and {value!r} in process 0; start all "
        "processes with the same configuration and files"
        for number, found in enumerate(collect(values))
        for name, value in values.items()
        if found[name] != value
    )
    if problem := share(next(different, "")):
        raise ValueError(problem)


def parallel(model: nn.Module) -> DistributedDataParallel | None:
    """Wraps a model so that its backward pass averages gradients over the processes.

    Parameters and buffers become those of the first process. The wrapper waits for a gradient of
    each parameter that requires one now: wrap the model anew when other layers are trained. None
    where a process is alone.

    Raises:
        ValueError: the model is wrapped in ``DataParallel``.
    """
    if not active():
        return None
    if isinstance(model, nn.DataParallel):
        raise ValueError("of several processes each has one GPU; leave out DataParallel")
    device = next(model.parameters()).device
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def normalise_jointly(model: nn.Module) -> None:
    """Lets the batch norms of a model on a GPU use the statistics of the global batch.

    In place; parameters stay the same objects. A CPU has no such layer, so nothing changes there.
    """
    if active() and next(model.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def unwrapped(model: nn.Module) -> Any:
    """The network itself, of a ``DataParallel`` or not."""
    return model.module if isinstance(model, nn.DataParallel) else model


def average_gradients(module: nn.Module) -> None:
    """Averages the gradients of a module that is not wrapped in DistributedDataParallel."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    if active() and gradients:
        # In one piece: a message costs more than what is in it.
        averaged = mean(nn.utils.parameters_to_vector(gradients))
        nn.utils.vector_to_parameters(averaged, gradients)


def send_from_first(module: nn.Module) -> None:
    """Gives a module the first process's parameters and buffers, in every process."""
    if active():
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.detach(), src=0)


def _all_gather(part: Tensor) -> Tensor:
    part = part.detach().contiguous()
    joined = part.new_empty(size() * len(part), *part.shape[1:])
    # PyTorch 2.14 has renamed it and warns of the former name.
    gather: Any = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(joined, part)
    return joined
