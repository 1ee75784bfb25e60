"""The command line: what it takes, and how it says no."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchreid
from PIL import Image

from ddan_torchreid import __version__, cli
from ddan_torchreid.cli import COMMANDS, main
from ddan_torchreid.data.loose_images import find_images
from ddan_torchreid.inference.features import FeatureTable, extract
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.integration import flags
from ddan_torchreid.models import load_model
from ddan_torchreid.system import state_files
from tests.commands.refused import refused


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as status:
        main([name, "--help"])
    assert status.value.code == 0
    assert f"ddan-torchreid {name}" in capsys.readouterr().out


def test_every_module_is_a_command():
    folder = Path(cli.__file__).parent / "commands"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in COMMANDS} == modules


def test_help_and_version(capsys):
    for words in ([], ["--help"], ["-h"]):
        assert main(words) == 0
        output = capsys.readouterr().out
        assert all(name in output for name in COMMANDS)
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["train", "--config-flie", "x"], "did you mean '--config-file'?"),
        (["train", "--config", "x"], "unknown argument '--config'"),
        (["train"], "nothing to train; write --config-file FILE, such as ddan_no_duke.yaml"),
        (["train", "--config-file", "nowhere.yaml"], "there is no configuration file"),
        (["train", "ddan.top_k"], "'ddan.top_k' has no value"),
        (["train", "ddan.top_k=3"], "write ddan.top_k 3, without '='"),
        (["train", "--dataset", "a=x.csv", "b=y.csv"], "--dataset a=x.csv --dataset b=y.csv"),
        (
            ["train", "--dataset", "a=x.csv", "b=y", "c=z.csv", "-s", "a", "ddan.top_k", "3"],
            "--dataset takes one NAME=PATH; repeat the flag: --dataset a=x.csv --dataset b=y",
        ),
        (["train", "-t", "viper", "--dataset", "a=x", "-t", "a", "b=y.csv"], "--dataset b=y.csv"),
        (["train", "ddan.topk", "3"], "did you mean 'ddan.top_k'?"),
        (["train", "-t", "viper", "ddan.topk", "3"], "did you mean 'ddan.top_k'?"),
        (["central-domain", "--samples", "1"], "--samples 1 is too few"),
        (["central-domain", "--samples", "many"], "invalid int value"),
        (["doctor", "extra"], "unknown argument 'extra'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(words, says, capsys):
    assert says in refused(words, capsys)


@pytest.mark.parametrize(
    ("words", "targets", "top_k"),
    [
        (["-t", "viper", "grid", "ddan.top_k", "3"], ["viper", "grid"], 3),
        (["ddan.top_k", "3", "-t", "viper"], ["viper"], 3),
        (["-t", "viper", "ddan.top_k", "3", "--root", "somewhere"], ["viper"], 3),
        (["--root", "somewhere"], ["market1501"], 8),
        (["-t", "viper", "train.weight_decay", "-1"], ["viper"], 8),
        (["ddan.top_k", "2", "-t", "viper", "ddan.top_k", "4", "ddan.top_k", "3"], ["viper"], 3),
    ],
)
def test_pairs_and_flags_come_in_any_order(words, targets, top_k):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    flags.add_arguments(parser)
    pairs, others = flags.take_pairs(words)
    arguments, rest = parser.parse_known_args(others)
    arguments.rest = pairs + rest
    config = flags.load(arguments)
    assert config.data.targets == targets
    assert config.ddan.top_k == top_k
    if "--root" in words:
        assert config.data.root == "somewhere"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "--root=~/a", "--resume", "~/b"], {"root": "/H/a", "resume": ["/H/b"]}),
        (["train", "--dataset", "a=~/b.csv"], {"dataset": ["a=/H/b.csv"]}),
        (["train", "--dataset=a=~/b.csv#c"], {"dataset": ["a=/H/b.csv#c"]}),
        (["search", "~/a", "~/b", "--weights", "c"], {"queries": ["/H/a"], "gallery": "/H/b"}),
        (["run", "~/a.py", "--root", "~/b"], {"script": "/H/a.py", "words": ["--root", "/H/b"]}),
        (
            ["extract", "./~", "a/~/b", "~nobody-here/a", "--weights", "c"],
            {"images": ["./~", "a/~/b", "~nobody-here/a"]},
        ),
    ],
)
def test_home_is_expanded_in_every_path(words, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/H")
    command = importlib.import_module(f"ddan_torchreid.commands.{words[0]}")
    given = {}
    monkeypatch.setattr(command, "run", lambda arguments: given.update(vars(arguments)))
    assert main(words) == 0
    assert {name: given[name] for name in expected} == expected


def test_functions_expand_home_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 2, "ddan", False)
    state_files.write({"state_dict": model.state_dict()}, Path("~/weights"))
    assert (tmp_path / "weights").is_file()
    load_model("~/weights")
    trained = load_trained_model("~/weights", 32, 16)
    Image.new("RGB", (16, 32)).save(tmp_path / "a.png")
    paths = find_images(["~/a.png"])
    assert paths == find_images(["~/*.png"]) == [str(tmp_path / "a.png")]
    table, _ = extract(trained, paths)
    table.save(tmp_path / "features.npz")
    assert FeatureTable.load("~/features.npz").paths == paths


@pytest.fixture
def failing(monkeypatch):
    """Lets a command raise an error."""

    def make(error):
        def fail(arguments):
            raise error

        monkeypatch.setattr("ddan_torchreid.commands.doctor.run", fail)

    return make


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (FloatingPointError("loss_id is nan"), 1, "failed: loss_id is nan"),
        (OSError(28, "No space left"), 1, "failed: [Errno 28] No space left"),
        (ValueError("two\nlines"), 2, "error: two lines"),
        (OSError(36, "File name too long"), 2, "error: [Errno 36] File name too long"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_one_line_and_a_status(failing, error, status, says, capsys):
    failing(error)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err == f"ddan-torchreid: {says}\n"


def test_a_full_gpu_says_what_to_write(failing, capsys):
    failing(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n2.00 GiB."))
    assert main(["doctor"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    for remedy in ("train.batch_size", "ddan.accumulate_steps", "ddan.amp bf16"):
        assert remedy in line
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        main(["doctor", "--traceback"])


@pytest.mark.parametrize("words", [["train", "--help"], ["doctor"]], ids=" ".join)
def test_a_reader_that_leaves_early_is_no_error(words):
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-W", "ignore", "-m", "ddan_torchreid", *words]
    # Without a buffer argparse itself hides that its help has no reader.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        program, stdout=writer, stderr=subprocess.PIPE, text=True, env=buffered, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_torchreids_warning_of_slow_ranking_is_not_shown():
    command = [sys.executable, "-W", "default", "-m", "ddan_torchreid", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Cython" not in done.stderr
