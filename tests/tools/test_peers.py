"""The table of the model card, on miniatures of its targets."""

import re

import peers
import pytest
import torchreid

from ddan_torchreid.evaluation import as_row
from ddan_torchreid.inference.export import export
from ddan_torchreid.inference.trained_model import load_trained_model
from tests.inference.exported import checkpoint


def test_every_network_has_a_line_and_an_exported_one_that_of_its_original(
    real_root, tmp_path, monkeypatch, capsys
):
    original = load_trained_model(checkpoint(tmp_path / "weights"))
    export(original, tmp_path / "small.onnx")
    monkeypatch.setattr(torchreid.models, "build_model", lambda *_, **__: original.model)
    monkeypatch.setattr(peers, "TARGETS", ("ilids",))
    monkeypatch.setattr(peers, "SPLITS", 2)
    words = ["--root", str(real_root), "--onnx", f"small={tmp_path / 'small.onnx'}"]
    assert peers.main(words) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [line.split(" | ")[0] for line in table]
    assert names == ["| rank-1 / mAP", "| the weights of the package", "| ImageNet", "| small"]
    expected = peers.score(original.model, str(real_root), (64, 32), "random_flip")
    cells = [float(each) for each in re.findall(r"\d+\.\d", table[3])]
    rows = [*(as_row(expected.scores[target]) for target in peers.TARGETS), expected.mean]
    found = [100 * row[key] for row in rows for key in ("rank-1", "mAP")]
    assert cells == pytest.approx(found, abs=0.06)
