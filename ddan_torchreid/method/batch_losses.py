"""What the losses of a batch are made of: terms, their weights, and the three sums of Eq. 9."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

OFF = 0.0
"""What a term that is switched off counts: a number in place of a tensor."""
Term = Tensor | float


@dataclass
class Weights:
    """Factors of the terms of L1 and L2 in Eq. 9; L3 is one term without a factor."""

    identity: float  # of L_IDE
    triplet: float  # lambda1, of L_Triplet
    adversarial: float  # lambda2, of L_DA-T
    similarity: float  # lambda3, of L_SE


@dataclass
class BatchLosses:
    """L1, L2 and L3 of a batch (Eq. 9), and what is reported of it.

    Attributes:
        l1, l2, l3: scalars, each with the gradients of the networks that it trains.
        terms: the unweighted terms that are switched on, by the name they are logged under.
        features: (B, D) m of the global batch, detached, for the ID pool.
        rates: scalars: accuracies in percent, and the share of each source in the batch.
    """

    l1: Term
    l2: Term
    l3: Term
    terms: dict[str, Tensor]
    features: Tensor
    rates: dict[str, Tensor]
