"""Training without the batch-norm neck, as in the first row of Table 5 (Sec. 4.5)."""

from __future__ import annotations

from typing import Any

import torch


def apply_neck(neck: str, model: Any, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Leaves the neck out of a model where ``neck`` is ``'none'``.

    Args:
        neck: ``'bn'`` or ``'none'``.
        model: the network itself, not wrapped in ``DataParallel``.
        optimizer: one that was built over the model; it loses the parameters of the neck and what
            it has gathered of them, so that its state is that of one built without.

    Raises:
        ValueError: the model has no neck although it should, or cannot do without.
    """
    has_neck = getattr(model, "has_neck", True)
    if neck == "bn" and not has_neck:
        raise ValueError("the model has no neck; write neck 'none', or build it anew")
    if neck == "bn" or not has_neck:
        return
    if not hasattr(model, "drop_neck"):
        raise ValueError(
            f"{type(model).__name__} cannot leave its neck out, which DDANModel can; write "
            "neck 'bn'"
        )
    before = list(model.parameters())
    model.drop_neck()
    if optimizer is None:
        return
    dropped = set(before) - set(model.parameters())
    for group in optimizer.param_groups:
        group["params"] = [each for each in group["params"] if each not in dropped]
    for parameter in dropped:
        optimizer.state.pop(parameter, None)
