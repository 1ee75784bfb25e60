"""``ddan-torchreid evaluate``: splits, files and what is refused."""

import json

import pytest
import torch
import torchreid

from ddan_torchreid.cli import main

MODEL = ["model.name", "ddan_mobilenetv2_x0_35", "data.height", "32", "data.width", "16"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 8, loss="ddan", pretrained=False)
    path = tmp_path_factory.mktemp("weights") / "model.pth.tar-1"
    torch.save({"state_dict": model.state_dict()}, path)
    return path


@pytest.fixture
def words(weights, real_root, tmp_path):
    return [
        *("evaluate", "--config-file", "ddan_mobilenetv2", "--weights", str(weights)),
        *("-s", "market1501", "cuhksysu", "-t", "ilids", "--root", str(real_root), *MODEL),
        *("data.workers", "0", "data.save_dir", str(tmp_path / "log")),
    ]


def test_splits_are_scored_and_written(words, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*words, "--splits", "2", "--legacy-metrics", "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "=> ilids: 2 splits" in printed
    assert "| legacy rank-5" in printed
    content = json.loads((out / "results.json").read_text())
    assert len(content["targets"]["ilids"]["splits"]) == 2
    # The same splits again, from the file; without a folder the tables are in save_dir.
    assert main([*words, "--splits-from", str(out / "splits")]) == 0
    again = json.loads((tmp_path / "log" / "evaluation" / "results.json").read_text())
    assert again["targets"]["ilids"]["sha256"] == content["targets"]["ilids"]["sha256"]
    assert again["mean"]["rank-1"] == content["mean"]["rank-1"]
    assert "legacy rank-1" not in again["mean"]


def test_a_configuration_asks_for_splits_of_torchreid_too(words, tmp_path):
    keys = ["ddan.evaluation_splits", "3", "ddan.splits_from", "torchreid", "loss.name", "softmax"]
    assert main([*words, *keys]) == 0
    content = json.loads((tmp_path / "log" / "evaluation" / "results.json").read_text())
    assert content["targets"]["ilids"]["origin"] == "torchreid's splits.json"
    assert len(content["targets"]["ilids"]["splits"]) == 3


def test_without_splits_it_is_torchreids_test(words, capsys):
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "##### Evaluating ilids (target) #####" in printed
    assert "Rank-20" in printed


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--splits", "-1"], "evaluation_splits=-1"),
        (["--splits", "2", "--splits-seed", "-1"], "splits_seed=-1"),
        (["--splits", "2", "test.visrank", "True"], "visrank False"),
        (["--output", "out"], "--splits 10"),
        (["--splits-from", "nowhere"], "nowhere"),
        (["--splits", "11", "--splits-from", "torchreid"], "10 or fewer"),
        (["--splits", "2", "ddan.evaluator", "cython"], "write one of ddan, torchreid"),
        (["ddan.splits_from", "torchreid"], "evaluation_splits"),
    ],
)
def test_what_is_refused(words, more, says, capsys):
    assert main([*words, *more]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
