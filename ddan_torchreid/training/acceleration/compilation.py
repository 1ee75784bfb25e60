"""``torch.compile`` for the encoder's training pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...distributed import unwrapped


def compile_encoder(model: nn.Module, device: torch.device) -> None:
    """Lets the encoder train with a pass that is compiled when it is first called.

    The encoder is nearly all of the work. The mapping network stays as it is: its graph is walked
    through twice (:func:`~ddan_torchreid.models.ddan_model.map_and_align`). Features of test images
    do not come from the compiled pass, and the keys of the ``state_dict`` stay.

    Raises:
        ValueError: nothing can be compiled here for this device; the message says why.
    """
    if isinstance(model, nn.DataParallel) and len(model.device_ids) > 1:
        raise ValueError(
            "compile True needs a process for each GPU; start with torchrun, show one GPU only "
            "(CUDA_VISIBLE_DEVICES=0), or write compile False"
        )
    trial = torch.compile(lambda x: (x + 1).relu().sum())
    try:
        trial(torch.ones(8, device=device))
    except Exception as error:  # compilers and their drivers raise errors of many kinds
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"compile True does not work here ({reason.strip() or type(error).__name__}); "
            "write compile False"
        ) from error
    encoder = unwrapped(model).encoder
    plain = encoder.forward
    # Through a function of this file: TorchDynamo does not begin in a file of torch.nn, so
    # Module.compile would make a graph for each of eight kinds of block, and none for the others.
    compiled = torch.compile(lambda images: plain(images))

    def chosen(images: Tensor) -> Tensor:
        training = encoder.training and torch.is_grad_enabled()
        return compiled(images) if training else plain(images)

    encoder.forward = chosen
