"""What the losses of a batch are made of: terms, weights, and the three sums of Eq. 9."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# What a term that is switched off counts: the number 0, in place of a tensor.
OFF = 0.0
Term = Tensor | float


@dataclass
class Weights:
    """Factors of the terms of L1 and L2; the one of L3 stands alone.

    Attributes:
        identity: of L_IDE.
        triplet: of L_Triplet, lambda1.
        adversarial: of L_DA-T, lambda2.
        similarity: of L_SE, lambda3.
    """

    identity: float
    triplet: float
    adversarial: float
    similarity: float
    camera: float = 0.0


@dataclass
class BatchLosses:
    """What a batch weighs, and what is reported of it.

    Attributes:
        l1, l2, l3: the sums of Eq. 9, scalars with the gradients of the networks that they train.
        terms: those of the sums that are switched on, unweighted, by the name they are logged
            under.
        features: (B, D) m of the global batch, detached; the ID pool takes them in.
        rates: scalars in percent, and the share of each source in the batch.
    """

    l1: Term
    l2: Term
    l3: Term
    terms: dict[str, Tensor]
    features: Tensor
    rates: dict[str, Tensor]
