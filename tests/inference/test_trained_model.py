"""What a checkpoint says of its images, and that features and exports follow it."""

import numpy as np
import pytest
from PIL import Image
from torch.nn import functional as F

from ddan_torchreid.evaluation import extract_features
from ddan_torchreid.inference.features import extract
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.system.state_files import read
from tests.inference.exported import checkpoint

MEAN, STD = (0.5, 0.4, 0.3), (0.1, 0.2, 0.3)
NORM = ("data.norm_mean", str(list(MEAN)), "data.norm_std", str(list(STD)))
TORCHREID = ("data.transforms", "['random_flip']")


@pytest.mark.parametrize(
    ("options", "interpolation"),
    [(NORM, "bicubic"), (TORCHREID, "bilinear"), ((*NORM, *TORCHREID), "bilinear")],
)
def test_features_are_those_of_the_evaluator(small_engine, tmp_path, options, interpolation):
    # Of another size than the files, so that the images are resized.
    engine = small_engine("data.height", "48", "data.width", "24", *options)
    engine.save_model(0, 0.0, str(tmp_path))
    path = tmp_path / "model" / "model.pth.tar-1"
    assert read(path)["ddan"]["interpolation"] == interpolation
    loader = engine.test_loader["snow"]["query"]
    expected = F.normalize(extract_features(engine.model, loader, engine.device).features)
    table, _ = extract(load_trained_model(path), [item[0] for item in loader.dataset.query])
    np.testing.assert_allclose(table.features, expected, rtol=0, atol=1e-6)


def test_a_transform_with_a_word_for_its_interpolation_does_not_stop_saving(small_engine, tmp_path):
    engine = small_engine()
    engine.datamanager.transform_te.transforms[0].interpolation = "area"
    engine.save_model(0, 0.0, str(tmp_path))
    assert "interpolation" not in read(tmp_path / "model" / "model.pth.tar-1")["ddan"]


def test_the_transform_is_the_papers_where_the_checkpoint_says_nothing(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 41, 3), dtype=np.uint8)
    said = {"norm_mean": list(MEAN), "norm_std": list(STD), "interpolation": "bilinear"}
    for metadata, mean, std, filter in (
        ({}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), Image.Resampling.BICUBIC),
        (said, MEAN, STD, Image.Resampling.BILINEAR),
    ):
        trained = load_trained_model(checkpoint(tmp_path / "weights", **metadata))
        found = trained.transform(Image.fromarray(pixels))
        resized = Image.fromarray(pixels).resize((trained.width, trained.height), filter)
        expected = ((np.asarray(resized) / 255 - mean) / std).transpose(2, 0, 1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# 'meta' takes tensors without computing; PyTorch looks for a module of 'hpu'; some reasons are long
@pytest.mark.parametrize("device", ["meta", "hpu", "vulkan", "abacus", ""])
def test_a_device_that_cannot_compute_is_refused(device, tmp_path):
    with pytest.raises(ValueError, match=rf"device '{device}' cannot .*; write cpu") as refusal:
        load_trained_model(tmp_path / "unread", device=device)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500
