"""`train` and `evaluate` where the command does not fit what there is."""

import subprocess
import sys

import pytest

from ddan_torchreid.cli import main


@pytest.fixture
def trained(words, tmp_path, capsys):
    """The command of a run that has been trained in `tmp_path / log`."""
    command = [*words, "train.max_epoch", "1", "data.save_dir", str(tmp_path / "log")]
    assert main(command) == 0
    capsys.readouterr()
    return command


def error(words, capsys):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    return line.removeprefix("ddan-torchreid: error: ")


def test_nothing_to_train(capsys):
    said = error(["train"], capsys)
    assert said.startswith("nothing to train; write --config-file FILE, such as ddan_no_duke.yaml")


def test_another_run_is_not_overwritten(trained, tmp_path, capsys):
    weights = tmp_path / "log" / "model" / "model.pth.tar-1"
    before = weights.read_bytes()
    for more in ([], ["--fine-tune", str(weights)]):
        said = error([*trained, *more], capsys)
        assert said == (
            f"{weights} is of another run, which this one would overwrite; write --resume to go on "
            "with it, or another data.save_dir"
        )
    assert weights.read_bytes() == before
    assert main([*trained, "--resume"]) == 0
    other = [*trained[:-1], str(tmp_path / "other")]
    assert main([*other, "--fine-tune", str(weights)]) == 0


def test_a_longer_schedule_is_named_as_it_is_written(trained, capsys):
    said = error([*trained, "train.max_epoch", "3", "--resume"], capsys)
    assert "train.max_epoch, where the cosine schedule ends, was 1, now 3" in said


def test_weights_of_another_model_or_size(trained, tmp_path, capsys):
    weights = str(tmp_path / "log" / "model" / "model.pth.tar-1")
    evaluate = ["evaluate", *trained[1:], "--weights", weights]
    said = error([*evaluate, "model.name", "ddan_mobilenetv2_x0_5"], capsys)
    assert said.endswith("; write model.name ddan_mobilenetv2_x0_35, which it is of")
    folder = tmp_path / "log"
    said = error([*evaluate[:-1], str(folder)], capsys)
    assert said == f"model.load_weights: {folder} is a folder; name a checkpoint, such as {weights}"
    assert main(evaluate) == 0
    assert "The weights are of" not in capsys.readouterr().out
    assert main([*evaluate, "data.height", "64"]) == 0
    output = capsys.readouterr().out
    assert "of 32 x 16 pixels, tested at 64 x 16" in output
    assert "write data.height 32 data.width 16" in output


def test_torchreids_warning_of_slow_ranking_is_not_shown():
    command = [sys.executable, "-W", "default", "-m", "ddan_torchreid", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "Cython" not in done.stderr
