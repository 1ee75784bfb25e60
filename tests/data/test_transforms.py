"""The paper's transforms: range of each step, determinism, and pixels against plain Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as T

from ddan_torchreid.data.transforms import ddan_transforms


def picture(height: int = 90, width: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def step(kind: type, height: int = 256, width: int = 128) -> Any:
    train, _ = ddan_transforms(height, width)
    return next(transform for transform in train.transforms if isinstance(transform, kind))


@pytest.mark.parametrize(("height", "width"), [(256, 128), (64, 32), (8, 4), (1, 1)])
def test_size_type_and_finite(height: int, width: int) -> None:
    torch.manual_seed(0)
    for transform in ddan_transforms(height, width):
        result = transform(picture())
        assert result.shape == (3, height, width)
        assert result.dtype == torch.float32
        assert result.isfinite().all()


@pytest.mark.parametrize("size", [(256, 128), (32, 16)])
def test_test_transform_equals_plain_pillow(size: tuple[int, int]) -> None:
    height, width = size
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    resized = picture().resize((width, height), Image.Resampling.BICUBIC)
    expected = (np.asarray(resized, dtype=np.float64) / 255 - mean) / std
    result = ddan_transforms(height, width, mean, std)[1](picture())
    np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-6)


def test_imagenet_normalisation_by_default() -> None:
    explicit = ddan_transforms(32, 16, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[1]
    assert torch.equal(ddan_transforms(32, 16)[1](picture()), explicit(picture()))


def test_training_transform_follows_the_seed() -> None:
    train, _ = ddan_transforms(64, 32)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return train(picture())

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_order_of_the_steps() -> None:
    train, test = ddan_transforms(256, 128)
    assert [type(transform).__name__ for transform in train.transforms] == [
        "Resize", "Pad", "RandomCrop", "RandomHorizontalFlip", "RandomRotation", "ColorJitter",
        "ToTensor", "Normalize",
    ]  # fmt: skip
    assert [type(t).__name__ for t in test.transforms] == ["Resize", "ToTensor", "Normalize"]


@pytest.mark.parametrize(("height", "pixels"), [(256, 10), (128, 5), (384, 15), (64, 2), (8, 1)])
def test_padding_is_in_proportion_to_the_height(height: int, pixels: int) -> None:
    image = Image.new("RGB", (height // 2, height), "white")
    padded = np.asarray(step(T.Pad, height, height // 2)(image))
    assert padded.shape == (height + 2 * pixels, height // 2 + 2 * pixels, 3)
    assert not padded[:pixels].any()
    assert not padded[:, :pixels].any()
    assert padded[pixels:-pixels, pixels:-pixels].all()


def test_crop_shifts_by_the_padding_at_most() -> None:
    torch.manual_seed(0)
    rows, columns = np.mgrid[:276, :148]
    grid = Image.fromarray(np.stack([rows, columns, columns], axis=2).astype(np.uint8))
    crop = step(T.RandomCrop)
    offsets = np.array([np.asarray(crop(grid))[0, 0] for _ in range(300)])
    assert set(offsets[:, 0]) == set(offsets[:, 1]) == set(range(21))


def test_flip_of_half_of_the_images() -> None:
    torch.manual_seed(0)
    image = picture()
    flip, flipped = step(T.RandomHorizontalFlip), np.asarray(image)[:, ::-1]
    share = np.mean([np.array_equal(flip(image), flipped) for _ in range(400)])
    assert abs(share - 0.5) < 0.08


def test_rotation_of_five_degrees_either_way() -> None:
    torch.manual_seed(0)
    degrees = step(T.RandomRotation).degrees
    angles = np.array([T.RandomRotation.get_params(degrees) for _ in range(500)])
    assert -5 <= angles.min() < -4.8
    assert 4.8 < angles.max() <= 5


def test_ranges_of_brightness_saturation_and_hue() -> None:
    torch.manual_seed(0)
    jitter = step(T.ColorJitter)
    draws = [
        T.ColorJitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        for _ in range(1000)
    ]
    assert all(contrast is None for _, _, contrast, _, _ in draws)
    for index, low, high in ((1, 0.5, 2.0), (3, 0.5, 2.0), (4, -0.1, 0.1)):
        values = np.array([draw[index] for draw in draws])
        margin = 0.02 * (high - low)
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=3 * margin)


def test_brightness_of_the_whole_training_transform() -> None:
    torch.manual_seed(0)
    train, _ = ddan_transforms(32, 16, (0, 0, 0), (1, 1, 1))
    grey = Image.new("RGB", (16, 32), (80, 80, 80))
    levels = [train(grey)[:, 16, 8].mean().item() * 255 for _ in range(300)]
    assert 39 <= min(levels) < 45
    assert 150 < max(levels) <= 161


@pytest.mark.parametrize("size", [(0, 128), (256, -1)])
def test_no_image_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no image size: write 1 or more"):
        ddan_transforms(*size)
