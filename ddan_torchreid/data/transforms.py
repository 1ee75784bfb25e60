"""The training and test transforms of the paper (Sec. 4.1), as the authors' release sets them."""

from __future__ import annotations

from collections.abc import Sequence

from torchvision import transforms as T

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def ddan_transforms(
    height: int,
    width: int,
    norm_mean: Sequence[float] | None = None,
    norm_std: Sequence[float] | None = None,
) -> tuple[T.Compose, T.Compose]:
    """Transforms from an RGB PIL image to a normalised (3, height, width) float32 tensor.

    Training, in this order: bicubic resize, zero padding on each side and a random crop back to
    the size, horizontal flip with probability 0.5, rotation by up to 5 degrees either way, and
    factors of brightness and saturation in [0.5, 2] and a hue shift in [-0.1, 0.1] (of the colour
    circle) in random order. Test: bicubic resize only.

    The release pads 10 pixels at 256 x 128; other sizes pad in proportion to their height, at
    least 1 pixel, so that the shift is the same part of a person.

    torchvision's first transforms are used because on PIL images they are faster than its ``v2``.

    Args:
        height: pixels.
        width: pixels.
        norm_mean: mean of each channel in [0, 1]; ImageNet's by default.
        norm_std: standard deviation of each channel; ImageNet's by default.

    Returns:
        training and test transform; the training one draws from torch's global generator.

    Raises:
        ValueError: a size below 1 pixel.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height={height}, width={width} is no image size: write 1 or more each")
    resize = T.Resize((height, width), interpolation=T.InterpolationMode.BICUBIC)
    to_input = [
        T.ToTensor(),
        T.Normalize(
            IMAGENET_MEAN if norm_mean is None else norm_mean,
            IMAGENET_STD if norm_std is None else norm_std,
        ),
    ]
    augment = [
        T.Pad(max(1, round(10 * height / 256))),
        T.RandomCrop((height, width)),
        T.RandomHorizontalFlip(0.5),
        T.RandomRotation(5),
        T.ColorJitter(brightness=(0.5, 2.0), saturation=(0.5, 2.0), hue=0.1),
    ]
    return T.Compose([resize, *augment, *to_input]), T.Compose([resize, *to_input])
