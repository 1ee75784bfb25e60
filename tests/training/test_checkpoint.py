"""What is saved of a run, and what reads it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchreid
from torch import nn

from ddan_torchreid.system import state_files
from ddan_torchreid.training import checkpoint
from tests.engines import trained


def test_torchreids_own_functions_load_our_files(small_engine, tmp_path, capsys):
    engine = trained(small_engine, tmp_path, 1)
    path = str(tmp_path / "model" / "model.pth.tar-1")
    other = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 7, pretrained=False)
    torchreid.utils.load_pretrained_weights(other, path)
    torch.testing.assert_close(other.mapping.state_dict(), engine.model.mapping.state_dict())
    same = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 30, "ddan", False)
    optimizer = torchreid.optim.build_optimizer(same, optim="adam")
    start = torchreid.utils.resume_from_checkpoint(path, same, optimizer)
    assert start == 1
    torch.testing.assert_close(same.state_dict(), engine.model.state_dict())
    assert "Last rank1" in capsys.readouterr().out


def test_weights_load_with_and_without_prefix_and_for_other_identities(
    small_engine, tmp_path, capsys
):
    engine = trained(small_engine, tmp_path, 1)
    state = torch.load(tmp_path / "model" / "model.pth.tar-1", weights_only=True)
    state["state_dict"] = {f"module.{key}": value for key, value in state["state_dict"].items()}
    state_files.write(state, tmp_path / "wrapped.pth")
    images = torch.rand(2, 3, 64, 32)
    expected = engine.model.eval()(images)
    for number in (30, 4):
        for wrap in (False, True):
            model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", number, pretrained=False)
            checkpoint.load_weights(
                nn.DataParallel(model) if wrap else model, tmp_path / "wrapped.pth"
            )
            torch.testing.assert_close(model.eval()(images), expected, rtol=1e-3, atol=1e-5)
    assert "without classifier.bias, classifier.weight" in capsys.readouterr().out


def test_torchreids_numpy_rank_is_read(tmp_path):
    torch.save({"rank1": np.float64(0.5), "epoch": 3}, tmp_path / "old")
    assert state_files.read(tmp_path / "old") == {"rank1": 0.5, "epoch": 3}


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_file_that_would_run_code_or_is_no_checkpoint_is_refused(tmp_path):
    torch.save({"state_dict": Malicious(tmp_path / "ran")}, tmp_path / "code")
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no checkpoint")
    for name in ("code", "empty", "text"):
        with pytest.raises(ValueError, match=f"{name} cannot be loaded") as error:
            state_files.read(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        state_files.read(tmp_path / "nowhere")
