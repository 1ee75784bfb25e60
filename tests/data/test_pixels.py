"""Each step of the augmentation against torchvision's on a Pillow image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as TF

from ddan_torchreid.data import pixels
from tests.data.pictures import difference, pedestrian, picture


@pytest.mark.parametrize(("height", "width"), [(256, 128), (64, 48), (3, 5)])
def test_resize_is_pillows_to_two_levels(height: int, width: int) -> None:
    for image in (pedestrian(300, 150), picture(20, 11)):
        expected = image.resize((width, height), Image.Resampling.BICUBIC)
        found = difference(pixels.resize(np.array(image), height, width), expected)
        assert found.max() <= 2
        assert found.mean() < 0.3


@pytest.mark.parametrize("flip", [False, True])
def test_shift_and_flip_are_exact(flip: bool) -> None:
    image = picture(31, 17)
    for top, left in ((0, 0), (4, 1), (2, 4)):
        moved = pixels.shift_flip_rotate(np.array(image), 2, top, left, flip, 0.0)
        expected = TF.crop(TF.pad(image, 2), top, left, 31, 17)
        np.testing.assert_array_equal(moved, TF.hflip(expected) if flip else expected)


@pytest.mark.parametrize("angle", [-5.0, -1.3, 0.4, 4.9])
def test_rotation_takes_the_pixel_that_torchvision_takes(angle: float) -> None:
    image = pedestrian()
    for flip in (False, True):
        rotated = pixels.shift_flip_rotate(np.array(image), 10, 4, 17, flip, angle)
        expected = TF.crop(TF.pad(image, 10), 4, 17, 256, 128)
        expected = TF.rotate(TF.hflip(expected) if flip else expected, angle)
        assert (difference(rotated, expected).max(axis=2) > 0).mean() < 0.004


@pytest.mark.parametrize("factor", [0.5, 0.77, 1.0, 1.4, 2.0])
def test_brightness_and_saturation_are_pillows_to_one_level(factor: float) -> None:
    for image in (pedestrian(), picture()):
        array = np.array(image)
        brighter = difference(
            pixels.adjust_brightness(array, factor), TF.adjust_brightness(image, factor)
        )
        assert brighter.max() <= 1
        assert brighter.mean() < 0.1
        saturated = difference(
            pixels.adjust_saturation(array, factor), TF.adjust_saturation(image, factor)
        )
        assert saturated.max() <= 1


@pytest.mark.parametrize("shift", [-0.1, -0.04, 0.0, 0.05, 0.1])
def test_hue_is_pillows_to_a_few_levels(shift: float) -> None:
    image = pedestrian()
    found = difference(pixels.adjust_hue(np.array(image), shift), TF.adjust_hue(image, shift))
    assert found.mean() < 0.6
    assert np.quantile(found, 0.999) <= 6


def test_hue_goes_round_the_circle() -> None:
    red = np.full((2, 3, 3), (200, 0, 0), dtype=np.uint8)
    purple, orange = pixels.adjust_hue(red, -0.1)[0, 0], pixels.adjust_hue(red, 0.1)[0, 0]
    assert purple[2] > 90
    assert purple[1] == 0
    assert orange[1] > 90
    assert orange[2] == 0
