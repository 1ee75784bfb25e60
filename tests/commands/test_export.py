"""``ddan-torchreid export`` as it is typed."""

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.cli import main
from tests.commands.refused import refused


def test_file_beside_the_weights_by_default(weights, capsys):
    pytest.importorskip("onnx")
    assert main(["export", str(weights)]) == 0
    assert weights.with_name("model.pth.tar-1.onnx").is_file()
    printed = capsys.readouterr().out
    assert "noise (12): max difference " in printed
    assert "images (B, 3, 64, 32) to features (B, 1280)" in printed


def test_another_size_type_and_own_images(weights, tmp_path, capsys):
    pytest.importorskip("onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = ["--height", "48", "--width", "16", "--dtype", "fp16", "--images", str(tmp_path)]
    assert main(["export", str(weights), *words, "--normalize"]) == 0
    printed = capsys.readouterr().out
    assert "given images (2): cosine similarity min 0.99" in printed
    assert "images (B, 3, 48, 16)" in printed
    assert weights.with_name("model.pth.tar-1.fp16.onnx").is_file()


def test_bad_input_is_one_line(weights, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    out = ["-o", str(tmp_path / "model.onnx")]
    for words, says in (
        ([str(tmp_path / "none")], "none"),
        ([str(tmp_path / "text.png")], "text.png"),
        ([str(weights), "--format", "coreml"], "coreml"),
        ([str(weights), "--dtype", "bf16"], "--format torch"),
        ([str(weights), "--height", "0"], "height=0"),
        ([str(weights), "--images", str(tmp_path / "*.jpg")], "*.jpg"),
        ([str(weights), "--images", str(tmp_path)], "text.png is no readable image"),
        ([str(weights), "-o", str(tmp_path / "model.pt2")], "must end in .onnx"),
    ):
        assert says in refused(["export", *out, *words], capsys)
    assert [file.name for file in tmp_path.iterdir()] == ["text.png"]
