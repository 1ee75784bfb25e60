"""``ddan-torchreid extract``: the features of loose images, and the file that keeps them."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from ddan_torchreid import load_model
from ddan_torchreid.cli import main
from ddan_torchreid.inference.features import FeatureTable
from ddan_torchreid.version import __version__
from tests.commands.refused import refused


@pytest.fixture
def crops(tmp_path):
    """Five images of different sizes and one in a folder below."""
    random = np.random.default_rng(0)
    folder = tmp_path / "crops"
    (folder / "below").mkdir(parents=True)
    for number in range(5):
        pixels = random.integers(0, 256, (40 + 9 * number, 20 + number, 3), dtype=np.uint8)
        place = folder / "below" if number == 4 else folder
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def reference(path, weights, height=64, width=32):
    """Features of one image, from the definition of the preprocessing."""
    image = Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    pixels = (np.asarray(image) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        return load_model(weights)(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())[0]


def test_features_paths_and_metadata(weights, crops, tmp_path, capsys):
    out = tmp_path / "new" / "features.npz"
    words = [str(crops), str(crops / "[01].png"), "--weights", str(weights), "--batch-size", "2"]
    assert main(["extract", *words, "-o", str(out), "--workers", "0", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"{out}: 5 images, 1280 numbers each\n"
    assert [file.name for file in out.parent.iterdir()] == [out.name]

    with np.load(out, allow_pickle=False) as file:
        content = dict(file)
    names = ["0.png", "1.png", "2.png", "3.png", "below/4.png"]
    assert content["paths"].tolist() == [str(crops / name) for name in names]
    assert content["features"].shape == (5, 1280)
    assert content["features"].dtype == np.float32
    expected = torch.stack([reference(path, weights) for path in content["paths"]])
    np.testing.assert_allclose(content["features"], F.normalize(expected), rtol=0, atol=1e-5)
    assert {key: value.item() for key, value in content.items() if value.ndim == 0} == {
        "normalized": True,
        "height": 64,
        "width": 32,
        "model": "ddan_mobilenetv2_in_bn_x0_35",
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "version": __version__,
    }


def test_raw_features_at_another_size_by_worker_processes(weights, crops, tmp_path):
    out = tmp_path / "features.npz"
    words = ["--raw", "--height", "48", "--width", "24", "--workers", "2", "--batch-size", "2"]
    assert main(["extract", str(crops), "--weights", str(weights), "-o", str(out), *words]) == 0
    table = FeatureTable.load(out)
    assert (table.normalized, table.height, table.width) == (False, 48, 24)
    expected = torch.stack([reference(path, weights, 48, 24) for path in table.paths])
    np.testing.assert_allclose(table.features, expected, rtol=1e-5, atol=1e-4)


def test_unreadable_files_are_named_and_skipped(weights, crops, tmp_path, capsys):
    (crops / "0.png").write_bytes((crops / "0.png").read_bytes()[:900])
    (crops / "1.png").write_text("no image")
    (crops / "below" / "empty.jpg").touch()
    depth = np.arange(600, dtype=np.uint16).reshape(30, 20) * 100
    Image.fromarray(depth).save(crops / "deep.png")
    out = tmp_path / "features.npz"
    words = ["extract", str(crops), "--weights", str(weights), "-o", str(out), "--workers", "0"]
    assert main(words) == 1
    output = capsys.readouterr()
    lines = [line.strip() for line in output.err.splitlines()]
    skipped = [line[line.index("skipped: ") :] for line in lines if "skipped: " in line]
    assert [line.split(" is no readable image: ")[0] for line in skipped] == [
        f"skipped: {crops / name}" for name in ("0.png", "1.png", "below/empty.jpg")
    ]
    assert output.out.endswith("3 of 7 files could not be read\n")
    names = ["2.png", "3.png", "below/4.png", "deep.png"]
    table = FeatureTable.load(out)
    assert table.paths == [str(crops / name) for name in names]
    expected = torch.stack([reference(path, weights) for path in table.paths[:3]])
    np.testing.assert_allclose(table.features[:3], F.normalize(expected), rtol=0, atol=1e-5)
    Image.fromarray((depth // 256).astype(np.uint8)).save(tmp_path / "eight.png")
    eight = F.normalize(reference(tmp_path / "eight.png", weights), dim=0)
    np.testing.assert_allclose(table.features[3], eight, rtol=0, atol=1e-5)


def test_nothing_readable_leaves_no_file(weights, tmp_path, capsys):
    (tmp_path / "a.png").touch()
    out = tmp_path / "features.npz"
    assert main(["extract", str(tmp_path), "--weights", str(weights), "-o", str(out)]) == 1
    assert "failed: no image could be read; files tried: 1" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_features_that_are_not_finite_are_an_error(weights, crops, tmp_path, capsys):
    state = torch.load(weights, weights_only=True)
    state["state_dict"]["neck.weight"][0] = float("nan")
    torch.save(state, tmp_path / "broken")
    words = ["--weights", str(tmp_path / "broken"), "-o", str(tmp_path / "features.npz")]
    assert main(["extract", str(crops), *words]) == 1
    assert "features that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "features.npz").exists()


def test_bad_input_is_one_line(weights, crops, tmp_path, capsys):
    good = [str(crops), "--weights", str(weights), "-o", str(tmp_path / "features.npz")]
    (tmp_path / "empty").mkdir()
    for words, says in (
        ([*good, "-o", str(tmp_path / "features.csv")], "features.csv"),
        ([*good, "-o", str(tmp_path)], "features.npz"),
        ([*good, "--weights", str(crops / "0.png")], "0.png"),
        ([*good, "--weights", "nowhere"], "nowhere"),
        ([*good, "--batch-size", "0"], "batch size 0"),
        ([*good, "--width", "-1"], "width=-1"),
        ([*good, "--device", "abacus"], "device 'abacus' cannot be used here"),
        (["nowhere/*.png", *good[1:]], "nowhere/*.png"),
        ([str(tmp_path / "empty"), *good[1:]], "there is no image in"),
    ):
        assert says in refused(["extract", *words], capsys)
    assert not (tmp_path / "features.npz").exists()
