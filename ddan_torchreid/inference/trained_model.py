"""A trained model with what its images must look like, from its checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as T

from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD, ddan_transforms
from ..models import DDANModel, load_model
from ..models.shipped import NAME, weights_file
from ..system.files import expanded
from ..system.state_files import details, read

DEFAULT_SIZE = (256, 128)
"""Height and width in the paper (Sec. 4.1), for checkpoints that do not say theirs."""

DEFAULT_INTERPOLATION = T.InterpolationMode.BICUBIC.value
"""Of the paper's test transform, for checkpoints that do not say theirs."""


@dataclass(frozen=True)
class TrainedModel:
    """A model in eval mode.

    Attributes:
        model: images (B, 3, height, width), normalised by mean and std, to features (B, D).
        height: of its images, in pixels.
        width: of its images, in pixels.
        sha256: of the checkpoint file, in hexadecimal.
        mean: of each channel in [0, 1].
        std: of each channel.
        interpolation: of the resizing, as torchvision's ``InterpolationMode`` calls it.
    """

    model: DDANModel
    height: int
    width: int
    sha256: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = DEFAULT_INTERPOLATION

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.model.parameters()).device

    @property
    def transform(self) -> Callable[[Image.Image], Tensor]:
        """The test transform of its evaluator: an RGB image to (3, height, width)."""
        mode = T.InterpolationMode(self.interpolation)
        resize = T.Resize((self.height, self.width), interpolation=mode)
        return T.Compose([resize, T.ToTensor(), T.Normalize(self.mean, self.std)])


def load_trained_model(
    weights: str | Path = NAME,
    height: int | None = None,
    width: int | None = None,
    device: torch.device | str = "cpu",
) -> TrainedModel:
    """Loads a checkpoint.

    Args:
        weights: what :func:`ddan_torchreid.load_model` takes.
        height: of the images; by default that of the training, as the checkpoint says, or 256.
        width: of the images; by default that of the training, as the checkpoint says, or 128.
        device: where the model is put.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint of a DDAN model, a size is below 1 pixel, or the
            device cannot be used.
    """
    try:
        # And back: the device 'meta' takes tensors, but computes nothing.
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        # PyTorch goes on for pages about some devices.
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".!")
        raise ValueError(
            f"device {str(device)!r} cannot be used here: {reason}; write cpu, or cuda for a GPU"
        ) from None
    weights = weights_file(weights)
    images = details(read(weights))
    height = images.get("height", DEFAULT_SIZE[0]) if height is None else height
    width = images.get("width", DEFAULT_SIZE[1]) if width is None else width
    ddan_transforms(height, width)
    digest = hashlib.sha256(Path(expanded(weights)).read_bytes()).hexdigest()
    return TrainedModel(
        load_model(weights, device),
        height,
        width,
        digest,
        tuple(images.get("norm_mean", IMAGENET_MEAN)),
        tuple(images.get("norm_std", IMAGENET_STD)),
        images.get("interpolation", DEFAULT_INTERPOLATION),
    )
