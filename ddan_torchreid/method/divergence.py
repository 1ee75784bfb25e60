"""The divergence of L_SE (Eq. 8 of Chen et al., AAAI 2021) with its derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Features over tau beyond this would overflow float32 in the products of Eq. 8 or in their
# gradient, which is divided by tau once more.
_LARGEST_TEMPERED_FEATURE = 1e30
# Most probabilities underflow at the published tau, and a CPU takes five times as long for numbers
# that do. exp(-60) = 9e-27 is nothing beside 1, and is still a normal number of float32 after it
# has been divided by D and multiplied by the weight of a pair.
_LEAST_EXPONENT = -60.0


class SymmetricDivergence(torch.autograd.Function):
    """KL divergences in both directions between images and neighbours, of each image the sum.

    With t = m / tau of an image, s = r / tau of a neighbour, p = softmax(t) and q = softmax(s), the
    divergence of a pair is the sum over the dimensions of (p - q)(log(p + e) - log(q + e)). Where e
    is 0, t and s take the place of the logarithms: they differ from them by a constant, and p - q
    sums to zero. With P and L, the sums over the neighbours of p - q and of the differences of the
    logarithms, the derivative by t is

        v - p * <1, v>  with  v = P * p / (p + e) + p * L

    It is written by hand because P and L are all that it needs of the neighbours: k times less to
    keep and to do than in a backward pass through every operator. It has no derivative itself.

    Args:
        features: (B, D) m, float32 or float64.
        neighbours: (B, k, D) r, without a gradient.
        valid: (B, k) bool; any other pair adds zero to the sum and to the gradient, whatever the
            neighbour holds.
        temperature: tau > 0.
        epsilon: e >= 0, what the logarithms add to a probability.

    Returns:
        (B,) in nats; finite for finite input, as is the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        neighbours: Tensor,
        valid: Tensor,
        temperature: float,
        epsilon: float,
    ) -> Tensor:
        batch, k, dim = neighbours.shape
        dtype = torch.result_type(features, neighbours)
        # One tensor for logits and probabilities, with an image after its neighbours: each operator
        # is called once for all of them.
        both = torch.empty(2, batch, k + 1, dim, dtype=dtype, device=features.device)
        tempered, probabilities = both
        s, t = tempered[:, :k], tempered[:, k:]
        t.copy_(features.unsqueeze(1))
        # In place of a neighbour that is not valid stands the image, from which it does not differ.
        # Masking the result instead would leave NaN times zero in the gradient.
        torch.where(valid.unsqueeze(2), neighbours, t, out=s)
        tempered /= temperature
        tempered.clamp_(-_LARGEST_TEMPERED_FEATURE, _LARGEST_TEMPERED_FEATURE)
        tempered -= tempered.amax(dim=2, keepdim=True)
        torch.softmax(tempered.clamp(min=_LEAST_EXPONENT), dim=2, out=probabilities)
        if epsilon:
            torch.add(probabilities, epsilon, out=tempered).log_()
        p = probabilities[:, k]
        differences = torch.sub(both[:, :, k:], both[:, :, :k], out=both[:, :, :k])
        ctx.save_for_backward(p, *differences.sum(dim=2))
        ctx.temperature, ctx.epsilon = temperature, epsilon
        log_differences, probability_differences = differences
        return log_differences.mul_(probability_differences).sum(dim=(1, 2))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        p, log_differences, differences = ctx.saved_tensors
        if ctx.epsilon:
            differences = differences * (p / (p + ctx.epsilon))
        v = differences + p * log_differences
        by_tempered = v - p * v.sum(dim=1, keepdim=True)
        return by_tempered * (gradient / ctx.temperature)[:, None], None, None, None, None
