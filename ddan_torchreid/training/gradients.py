"""Whether the gradients of a step are finite, and how large those of each loss term are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from .. import distributed


def not_finite(optimizers: Iterable[torch.optim.Optimizer]) -> Tensor:
    """Whether a gradient that some optimisers would step with is not finite: 0 or 1, on the device.

    Not by a norm, which overflows for large gradients that are finite.
    """
    # From the optimisers, because a walk through the modules keeps a GPU waiting.
    gradients = [
        parameter.grad
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    if not gradients:
        return torch.zeros(())
    # As GradScaler does it, at scale 1: one operator for all of them.
    found = gradients[0].new_zeros(1, dtype=torch.float32)
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, torch.ones_like(found))
    return found.squeeze(0)


def term_gradients(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], module: nn.Module
) -> dict[str, Tensor]:
    """L2 norm of each weighted term's own gradient with respect to a module's parameters.

    This shows how the terms of Eq. 9 compare, which their weights alone do not. The graph is kept
    and no ``.grad`` changes, so the step that follows is the same. Of several processes, the norm
    is that of the gradient of the global batch.

    Args:
        terms: scalars by name.
        weights: factor of each term; a term without one is left out.
        module: such as the mapping network.

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
