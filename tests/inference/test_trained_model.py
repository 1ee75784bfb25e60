"""What a checkpoint says of its images, and that features follow it."""

import numpy as np
import pytest
from torch.nn import functional as F

from ddan_torchreid.evaluation import extract_features
from ddan_torchreid.inference.features import extract
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.system.state_files import read

NORM = ("data.norm_mean", "[0.5, 0.4, 0.3]", "data.norm_std", "[0.1, 0.2, 0.3]")
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


# 'meta' takes tensors without computing; PyTorch looks for a module of 'hpu'; some reasons are long
@pytest.mark.parametrize("device", ["meta", "hpu", "vulkan", "abacus", ""])
def test_a_device_that_cannot_compute_is_refused(device, tmp_path):
    with pytest.raises(ValueError, match=rf"device '{device}' cannot .*; write cpu") as refusal:
        load_trained_model(tmp_path / "unread", device=device)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500
