"""The neck between features and classifier: batch norm, BNNeck, or none (Table 5, first row)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def apply_neck(neck: str, model: Any, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Makes a model's neck what ``neck`` says. Done again, it changes nothing.

    Args:
        neck: ``'bn'``; ``'bnneck'``, where neither the neck's shift nor the classifier's bias is
            trained and the classifier begins near zero (Luo et al., CVPRW 2019); or ``'none'``
            (Sec. 4.5).
        model: the network itself, not wrapped in ``DataParallel``.
        optimizer: one that was built over the model; it loses the parameters that are not trained
            and what it has gathered of them, so that its state is that of one built without.

    Raises:
        ValueError: the model has no neck although it should, or cannot do without.
    """
    has_neck = getattr(model, "has_neck", True)
    if neck != "none" and not has_neck:
        raise ValueError("the model has no neck; write neck 'none', or build it anew")
    if neck == "bn" or not has_neck:
        return
    if not hasattr(model, "drop_neck"):
        raise ValueError(
            f"{type(model).__name__} cannot change its neck, which DDANModel can; write neck 'bn'"
        )
    if neck == "bnneck":
        dropped = {model.neck.bias, model.classifier.bias}
        if model.classifier.bias.any():  # neither done before nor loaded from such a model
            nn.init.normal_(model.classifier.weight, std=0.001)
            nn.init.zeros_(model.classifier.bias)
    else:
        before = set(model.parameters())
        model.drop_neck()
        dropped = before - set(model.parameters())
    if optimizer is None:
        return
    for group in optimizer.param_groups:
        group["params"] = [each for each in group["params"] if each not in dropped]
    for parameter in dropped:
        optimizer.state.pop(parameter, None)
