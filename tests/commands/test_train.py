"""``train`` from a checkpoint, and what it does about signals."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ddan_torchreid.cli import main
from ddan_torchreid.models import load_model
from ddan_torchreid.system.state_files import read
from ddan_torchreid.training.checkpoint_store import Position
from tests import github_layout
from tests.commands.refused import refused
from tests.other_run import OtherRun
from tests.small_data import CONFIG


@pytest.fixture
def trained(words, tmp_path):
    """The command of a run of an epoch in `tmp_path / log`, and the path of its checkpoint."""
    command = [*words, "train.max_epoch", "1", "data.save_dir", str(tmp_path / "log")]
    assert main(command) == 0
    return command, str(tmp_path / "log" / "model" / "model.pth.tar-1")


def test_resume_finds_the_newest_or_what_it_is_given(words, tmp_path, capsys):
    one = [*words, "data.save_dir", str(tmp_path / "one")]
    assert main([*one, "train.max_epoch", "2", "--resume"]) == 0
    output = capsys.readouterr().out
    assert f'No checkpoint in "{tmp_path / "one"}" yet' in output
    assert "epoch: [1/2]" in output
    first, last = (str(tmp_path / "one" / "model" / f"model.pth.tar-{n}") for n in (1, 2))
    for flags, path in (
        # A pair may follow the flag, and paths have dots as keys have.
        (["--resume", "data.save_dir", str(tmp_path / "one")], last),
        (["--resume", str(tmp_path / "one"), "data.save_dir", str(tmp_path / "two")], last),
        (["--resume", first, "data.save_dir", str(tmp_path / "two")], first),
    ):
        assert main([*words, *flags]) == 0
        output = capsys.readouterr().out
        assert f'Resumed from "{path}", epoch {path[-1]}' in output
        assert ("epoch: [2/2]" in output) is (path == first)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--resume", "a", "b"], "--resume takes one path, got a b"),
        (["--resume", "nowhere"], "model.resume: there is no checkpoint 'nowhere'"),
        (["--resume", "."], "there is no complete checkpoint in the folder '.'"),
        (["--resume", "--fine-tune", "a"], "exclude each other"),
        (["--fine-tune", "nowhere"], "model.load_weights: there is no checkpoint 'nowhere'"),
        (["--fine-tune", "a", "loss.name", "triplet"], "--fine-tune is for loss.name ddan"),
        (["data.save_dir", f"{__file__}/log"], "log cannot be made: Not a directory; write anothe"),
    ],
)
def test_what_cannot_be_continued_is_said(words, flags, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused([*words, *flags], capsys)


def test_another_run_is_not_overwritten(trained, tmp_path, capsys):
    command, path = trained
    before = Path(path).read_bytes()
    for more in ([], ["--fine-tune", path]):
        said = refused([*command, *more], capsys)
        assert said.startswith(f"{path} is of another run,")
        assert "write --resume to go on with it, or another data.save_dir" in said
    assert Path(path).read_bytes() == before
    assert main([*command, "--resume"]) == 0


def test_a_longer_schedule_is_named_as_it_is_written(trained, capsys):
    said = refused([*trained[0], "train.max_epoch", "3", "--resume"], capsys)
    assert "train.max_epoch, where the cosine schedule ends, was 1, now 3" in said


def test_weights_of_another_model_or_size(trained, tmp_path, capsys):
    command, path = trained
    evaluate = ["evaluate", *command[1:], "--weights", path]
    said = refused([*evaluate, "model.name", "ddan_mobilenetv2_x0_5"], capsys)
    assert said.endswith("; write model.name ddan_mobilenetv2_x0_35, which it is of")
    said = refused([*evaluate[:-1], str(tmp_path / "log")], capsys)
    assert said.endswith(f"log is a folder; name a checkpoint, such as {path}")
    assert main(evaluate) == 0
    assert "The weights are of" not in capsys.readouterr().out
    assert main([*evaluate, "data.height", "64"]) == 0
    output = capsys.readouterr().out
    assert "of 32 x 16 pixels, tested at 64 x 16" in output
    assert "write data.height 32 data.width 16" in output


@pytest.mark.parametrize("flags", [[], ["--resume"], ["loss.name", "triplet"]])
def test_a_folder_of_a_running_training_is_refused(words, flags, tmp_path, capsys):
    words = [*words, "data.save_dir", str(tmp_path / "log"), "train.max_epoch", "0", *flags]
    other = OtherRun(tmp_path / "log")
    assert f"in use by another run, process {other.pid};" in refused(words, capsys)
    assert not list((tmp_path / "log").glob("train.log*"))
    other.end()


def test_other_identities_are_refused_and_can_be_fine_tuned(trained, tmp_path, capsys):
    command, path = trained
    others = [*command, "data.sources", "['plaza', 'film']", "train.lr", "0.0"]
    others += ["data.save_dir", str(tmp_path / "after")]
    line = refused([*others, "--resume", path], capsys)
    assert "sources was ['mall', 'film'], now ['plaza'," in line
    assert "10 identities are gone, such as mall/" in line
    assert "10 identities are new, such as plaza/" in line
    assert "identities was" not in line  # there are as many as before
    assert line.endswith(f"write --fine-tune {path}")
    assert not (tmp_path / "after").exists()

    assert main([*others, "--fine-tune", path]) == 0
    output = capsys.readouterr().out
    assert "without classifier.bias, classifier.weight; optimiser, discriminator and ID" in output
    assert "epoch: [1/1]" in output
    before, after = (
        dict(load_model(tmp_path / each / "model" / "model.pth.tar-1").named_parameters())
        for each in ("log", "after")
    )
    # At a rate of 0: what was loaded is what was trained before.
    for name, value in before.items():
        assert torch.equal(value, after[name]) is not name.startswith("classifier."), name


def test_a_checkpoint_says_how_it_came_about(words, tmp_path):
    norm = ["data.norm_mean", "[0.5, 0.4, 0.3]", "data.norm_std", "[0.1, 0.2, 0.3]"]
    options = [*norm, "train.seed", "7", "train.max_epoch", "1", "data.save_dir", str(tmp_path)]
    assert main([*words, *options]) == 0
    metadata = read(tmp_path / "model" / "model.pth.tar-1")["ddan"]
    assert metadata["seed"] == 7
    assert metadata["norm_mean"] == pytest.approx([0.5, 0.4, 0.3])
    assert metadata["norm_std"] == pytest.approx([0.1, 0.2, 0.3])
    configuration = yaml.safe_load(metadata["configuration"])
    assert configuration["data"]["norm_mean"] == [0.5, 0.4, 0.3]
    assert configuration["ddan"]["top_k"] == 3
    names = metadata["identity_names"]
    assert len(names) == metadata["identities"] == len(set(names)) == 20
    assert {name.partition("/")[0] for name in names} == {"mall", "film"}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_to_all_processes_of_a_run_saves_and_ends_it(real_root, tmp_path, number, status):
    """As a terminal and schedulers send it, through the command line and torchreid's script."""
    words = [
        *("--config-file", CONFIG, "-s", "market1501", "dukemtmcreid", "-t", "market1501"),
        *("--root", str(real_root), "ddan.central_domain", "market1501", "train.batch_size", "16"),
        *("data.save_dir", str(tmp_path), "train.max_epoch", "500", "data.workers", "2"),
    ]
    command = ["train"]
    if number == signal.SIGINT:
        command = ["run", str(github_layout.write_scripts(tmp_path / "scripts"))]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ddan_torchreid", *command, *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    output = []
    for line in process.stdout:
        output.append(line)
        if line.startswith("epoch: [2/"):
            os.killpg(process.pid, number)
            break
    output += process.stdout.readlines()
    text = "".join(output)
    assert process.wait() == status, text[-3000:]
    assert "Traceback" not in text
    stopped = rf"Stopped by {number.name} after epoch (\d+)(?: and (\d+) batches)?"
    epoch, batches = re.search(stopped, text).groups()
    name = Position(int(epoch), int(batches or 0)).file_name
    states = [read(tmp_path / part / name) for part in ("model", "discriminator", "identity_pool")]
    assert len({(state["run"], state["epoch"], state["batch"]) for state in states}) == 1
