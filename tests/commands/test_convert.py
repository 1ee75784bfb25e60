"""The commands around the authors' release; what they call has tests of its own."""

import pytest
import torch

from ddan_torchreid import load_model
from ddan_torchreid.cli import main
from ddan_torchreid.commands import download as download_command
from tests.commands.refused import refused
from tests.models.released import Release


def test_a_released_file_becomes_a_checkpoint(tmp_path, capsys):
    torch.save(Release().state(), tmp_path / "released.pth")
    out = tmp_path / "model" / "model.pth.tar-1"
    assert main(["convert", "--official", str(tmp_path / "released.pth"), str(out)]) == 0
    assert "tensors" in capsys.readouterr().out
    assert load_model(out).name == "ddan_mobilenetv2_x1_0"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["convert", "out.pth"], "one of the arguments --official --download is required"),
        (["convert", "--official", "nowhere", "out.pth"], "nowhere"),
        (["download", "cuhksys"], "cuhksysu"),
        (["download", "dukemtmcreid"], "dukemtmcreid"),
    ],
)
def test_bad_input_is_one_line(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(words, capsys)
    assert not any(tmp_path.iterdir())


def test_download_prints_where_the_data_are(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(download_command, "download", lambda name, root: f"{root}/{name}")
    assert main(["download", "ilids", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/ilids\n"
