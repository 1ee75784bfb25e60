"""How large gradients are: of a whole step, and of each loss term by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from . import distributed


def largest_gradient(optimizers: Iterable[torch.optim.Optimizer]) -> Tensor:
    """Largest absolute value in the gradients that some optimisers would step with, on the device.

    It is finite if and only if every gradient is; a norm of finite gradients may overflow.
    """
    # Of the optimisers, because a walk through the modules keeps a GPU waiting.
    gradients = [
        parameter.grad
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    if gradients and gradients[0].is_cpu:
        # Over a classifier's many millions, a norm takes a CPU ten times as long.
        ends = [torch.stack(torch.aminmax(gradient)) for gradient in gradients]
        return torch.stack(ends).abs().amax()
    return nn.utils.get_total_norm(gradients, norm_type=math.inf)


def term_gradients(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], module: nn.Module
) -> dict[str, Tensor]:
    """L2 norm of each weighted term's own gradient with respect to a module's parameters.

    This is what the terms of Eq. 9 weigh against each other: a weight alone says nothing of it.
    The graph is kept and no ``.grad`` changes, so the step that follows is the same. Of several
    processes, the norm is of the gradient of the joined batch.

    Args:
        terms: scalars by name.
        weights: factor of each term; a term without one is left out.
        module: whose parameters the gradient is taken of, such as the mapping network.

    Returns:
        Scalars on the device, as ``gradient_<name of the term>``; of a frozen module none.
    """
    parameters = [each for each in module.parameters() if each.requires_grad]
    norms = {}
    for name, term in terms.items() if parameters else ():
        if name not in weights:
            continue
        found = torch.autograd.grad(
            weights[name] * term, parameters, retain_graph=True, allow_unused=True
        )
        parts = [each.flatten() for each in found if each is not None]
        joined = distributed.mean(torch.cat(parts)) if parts else term.new_zeros(1)
        norms[f"gradient_{name}"] = torch.linalg.vector_norm(joined)
    return norms
