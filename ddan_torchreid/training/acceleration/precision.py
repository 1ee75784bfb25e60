"""Mixed precision: in which type the network computes, and the scale of float16's gradients.

Only the passes of the encoder and the classifier in training are in half precision. What they
return is float32 again, as are the mapping network, the losses, the discriminator, the ID pool, all
weights, the optimisers' states and test-time features.
"""

from __future__ import annotations

import warnings

import torch

# Each overflow halves the scale, which begins at 2**16: after so many the gradient is at fault.
MOST_OVERFLOWS = 50
# In PyTorch 2.14 on a CPU, bfloat16 gradients of strided depthwise convolutions are wrong for maps
# one pixel wide, which images of so few pixels in width have.
TOO_NARROW_ON_CPU = 16


def autocast_dtype(amp: str, device: torch.device) -> torch.dtype | None:
    """The type that the model computes in, None for that of its weights.

    Args:
        amp: ``'auto'``, which is bfloat16 on GPUs that compute in it and off elsewhere (a CPU
            without such instructions takes nine times as long); ``'bf16'``; ``'fp16'``, with a
            warning on a CPU; or ``'off'``.
        device: of the model.

    Raises:
        ValueError: the device does not compute in this type.
    """
    if amp == "off":
        return None
    on_gpu = device.type == "cuda"
    has_bfloat16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if amp == "auto":
        return torch.bfloat16 if has_bfloat16 else None
    if amp == "fp16":
        if not on_gpu:
            warnings.warn(
                "amp 'fp16' takes many times as long as 'off' on a CPU; write amp 'auto', unless "
                "its numbers are what you are after",
                stacklevel=2,
            )
        return torch.float16
    if on_gpu and not has_bfloat16:
        raise ValueError("this GPU does not compute in bfloat16; write amp 'fp16' or 'off'")
    return torch.bfloat16


class GradientScaler(torch.amp.GradScaler):
    """PyTorch's scaler of float16's gradients, for a loop that finds out itself if they overflow.

    ``GradScaler.step`` waits for the device to decide whether to skip the step. The step's runner
    learns that together with the losses and tells :meth:`end_step`, so that a step waits no more
    often than without a scaler. For other types than float16 every method changes nothing.

    Attributes:
        overflows: steps in a row that were skipped.
    """

    def __init__(self, dtype: torch.dtype | None, device: torch.device) -> None:
        super().__init__(device.type, enabled=dtype is torch.float16)
        self.overflows = 0

    def forgives(self) -> bool:
        """Whether a gradient that is not finite may be an overflow, for which a step is skipped."""
        return self.is_enabled() and self.overflows < MOST_OVERFLOWS

    def end_step(self, finite: bool) -> None:
        """Adapts the scale after ``unscale_``: halves it on overflow, doubles it now and then."""
        self.overflows = 0 if finite else self.overflows + 1
        self.update()
