"""How the encoder runs in training: as it is, compiled, or replayed from CUDA graphs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from . import distributed
from .compilation import compiled
from .cuda_graphs import RecordedPass
from .settings import DDANSettings


def speed_up(model: nn.Module, settings: DDANSettings, device: torch.device) -> None:
    """Gives the encoder the training pass that ``compile`` and ``cuda_graphs`` ask for.

    The encoder is nearly all of the work. The mapping network stays as it is, because one graph of
    it is walked through twice (:func:`~ddan_torchreid.models.ddan_model.map_and_align`). Features
    of test images are computed as ever, and the keys of the ``state_dict`` stay.

    Args:
        model: a :class:`~ddan_torchreid.models.DDANModel`, wrapped in ``DataParallel`` or not.
        settings: the options.
        device: of the model.

    Raises:
        ValueError: an option does not work here; the message says why.
    """
    wanted = [name for name in ("compile", "cuda_graphs") if getattr(settings, name)]
    if wanted and isinstance(model, nn.DataParallel) and len(model.device_ids) > 1:
        raise ValueError(
            f"{wanted[0]} True needs a process for each GPU; start with torchrun, show one GPU "
            f"only (CUDA_VISIBLE_DEVICES=0), or write {wanted[0]} False"
        )
    if settings.cuda_graphs and distributed.active():
        raise ValueError("cuda_graphs True is for one process; write cuda_graphs False")
    if not wanted:
        return
    bare: Any = model.module if isinstance(model, nn.DataParallel) else model
    encoder = bare.encoder
    plain = forward = encoder.forward
    if settings.compile:
        forward = compiled(forward, device)
    if settings.cuda_graphs:
        forward = RecordedPass(bare, forward, device)

    def chosen(images: Tensor) -> Tensor:
        training = encoder.training and torch.is_grad_enabled()
        return forward(images) if training else plain(images)

    encoder.forward = chosen
