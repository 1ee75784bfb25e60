"""The paper's transforms: range of each step, determinism, and pixels against torchvision's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as TF

from ddan_torchreid.data.transforms import Draw, PaperAugmentation, ddan_transforms
from tests.data.pictures import difference, pedestrian, picture

STILL = Draw(10, 10, False, 0.0, 1.0, 1.0, 0.0, ("brightness", "saturation", "hue"))


def as_torchvision_does(
    image: Image.Image, height: int, width: int, padding: int, draw: Draw
) -> Image.Image:
    """The composition of torchvision's transforms on a Pillow image, under the same draws."""
    steps = {
        "brightness": TF.adjust_brightness,
        "saturation": TF.adjust_saturation,
        "hue": TF.adjust_hue,
    }
    image = TF.resize(image, [height, width], T.InterpolationMode.BICUBIC)
    image = TF.crop(TF.pad(image, padding), draw.top, draw.left, height, width)
    image = TF.rotate(TF.hflip(image) if draw.flip else image, draw.angle)
    for step in draw.order:
        image = steps[step](image, getattr(draw, step))
    return image


def levels(draw: Draw, image: Image.Image, height: int = 256, width: int = 128) -> np.ndarray:
    """(H, W, 3) levels 0 to 255 of the training transform, without normalisation."""
    plain = PaperAugmentation(height, width, (0, 0, 0), (1, 1, 1))
    return (plain.apply(np.array(image), draw) * 255).round().permute(1, 2, 0).numpy()


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


def draws(count: int, height: int = 256) -> list[Draw]:
    torch.manual_seed(0)
    augmentation = ddan_transforms(height, height // 2)[0]
    return [augmentation.draw() for _ in range(count)]


def test_training_transform_follows_torchs_seed_and_nothing_else() -> None:
    train, _ = ddan_transforms(64, 32)

    def image(seed: int) -> torch.Tensor:
        np.random.seed(seed + 1)
        torch.manual_seed(seed)
        return train(picture())

    assert torch.equal(image(0), image(0))
    assert not torch.equal(image(0), image(1))


def test_array_and_pillow_image_give_the_same_and_are_left_as_they_are() -> None:
    train, _ = ddan_transforms(90, 40)
    image, array = picture(), np.array(picture())
    for seed in range(5):
        torch.manual_seed(seed)
        first = train(image)
        torch.manual_seed(seed)
        assert torch.equal(first, train(array))
    assert np.array_equal(array, picture())
    assert np.array_equal(image, picture())


@pytest.mark.parametrize("size", [(256, 128), (300, 150), (128, 64), (97, 31)])
def test_the_whole_transform_is_torchvisions_within_a_few_levels(size: tuple[int, int]) -> None:
    differences = []
    for number, draw in enumerate(draws(20)):
        domain = ("plaza", "mall", "station")[number % 3]
        image = pedestrian(*size, domain)
        expected = as_torchvision_does(image, 256, 128, 10, draw)
        differences.append(difference(levels(draw, image), expected))
    values = np.stack(differences)
    # Where a rotated pixel lies between two, rounding may take the other one: few, but far apart.
    assert values.mean() < 1
    assert np.quantile(values, 0.99) <= 6
    assert (values > 20).mean() < 0.002


def test_normalisation_of_the_training_transform() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    image, (draw,) = pedestrian(), draws(1)
    result = PaperAugmentation(256, 128, mean, std).apply(np.array(image), draw)
    expected = (levels(draw, image) / 255 - mean) / std
    assert result.is_contiguous()
    np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-6)


@pytest.mark.parametrize(("height", "padding"), [(256, 10), (128, 5), (384, 15), (64, 2), (8, 1)])
def test_padding_is_in_proportion_to_the_height(height: int, padding: int) -> None:
    width = height // 2
    image = Image.new("RGB", (width, height), "white")
    draw = STILL._replace(top=0, left=2 * padding)
    black = (levels(draw, image, height, width) == 0).all(axis=2)
    expected = np.ones((height, width), dtype=bool)
    expected[padding:, : width - padding] = False
    np.testing.assert_array_equal(black, expected)


def test_crop_shifts_by_the_padding_at_most() -> None:
    for height, most in ((256, 20), (8, 2)):
        many = draws(600, height)
        assert {draw.top for draw in many} == set(range(most + 1))
        assert {draw.left for draw in many} == set(range(most + 1))


def test_ranges_of_the_draws() -> None:
    many = draws(2000)
    for name, low, high in (
        ("angle", -5, 5), ("brightness", 0.5, 2), ("saturation", 0.5, 2), ("hue", -0.1, 0.1),
        ("flip", 0, 1),
    ):  # fmt: skip
        values = np.array([getattr(draw, name) for draw in many], dtype=float)
        margin = 0.02 * (high - low)
        assert low <= values.min() < low + margin, name
        assert high - margin < values.max() <= high, name
        assert values.mean() == pytest.approx((low + high) / 2, abs=2 * margin), name


def test_the_draws_are_independent_and_every_order_occurs_alike() -> None:
    many = draws(3000)
    orders = [draw.order for draw in many]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 6
    assert (np.abs(counts - 500) < 100).all()
    numbers = np.array([[*draw[:7], orders.index(draw.order)] for draw in many], dtype=float)
    correlation = np.corrcoef(numbers.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.08


# In a process of its own, so that a deadlock ends as a failure. The parent has started OpenCV's
# threads, which a forked worker inherits the locks of but not the threads.
WORKERS = """
import sys
import cv2, numpy as np, torch
from ddan_torchreid.data.loose_images import read_pixels
from ddan_torchreid.data.transforms import ddan_transforms
path = sys.argv[1]
cv2.setNumThreads(4)
cv2.warpAffine(np.zeros((3000, 3000, 3), np.uint8), np.eye(2, 3), (3000, 3000))

class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        image = read_pixels(path)
        assert cv2.getNumThreads() == 1
        result = ddan_transforms(1024, 512)[0](image)
        return result.mean()

loader = torch.utils.data.DataLoader(Images(), num_workers=2, multiprocessing_context="fork")
print("RESULT", len(list(loader)), cv2.getNumThreads())
"""


def test_forked_workers_run_without_threads_of_opencv(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    picture(1500, 1500).save(path)
    done = subprocess.run(
        [sys.executable, "-c", WORKERS, str(path)], capture_output=True, text=True, timeout=120
    )
    assert "RESULT 8 4" in done.stdout, done.stderr


@pytest.mark.parametrize("size", [(0, 128), (256, -1), (4097, 64), ("x", 64)])
def test_no_image_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no image size: write 1 to 4096 each"):
        ddan_transforms(*size)
