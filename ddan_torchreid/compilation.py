"""``torch.compile`` for the encoder."""

from __future__ import annotations

from typing import Any

import torch


def compile_encoder(model: Any, device: torch.device) -> None:
    """Has the encoder of a DDAN model compiled when it is first called.

    In place, so that the keys of its ``state_dict`` stay as they are. The encoder is nearly all of
    the work; the mapping network stays as it is, because one graph of it is walked through twice
    (:func:`~ddan_torchreid.models.ddan_model.map_and_align`), which compiled graphs do not allow.

    Args:
        model: a :class:`~ddan_torchreid.models.DDANModel`.
        device: of the model.

    Raises:
        ValueError: nothing can be compiled for this device here; the message says why.
    """
    trial = torch.compile(lambda x: (x + 1).relu().sum())
    try:
        trial(torch.ones(8, device=device))
    except Exception as error:  # compilers and their drivers raise errors of many kinds
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"compile True does not work here ({reason.strip() or type(error).__name__}); "
            "write compile False"
        ) from error
    model.encoder.compile()
