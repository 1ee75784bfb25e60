"""Going on from a checkpoint, and what is refused before anything is loaded."""

import copy
import subprocess
import sys

import pytest
import torch

from ddan_torchreid.cli import main
from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from ddan_torchreid.system import state_files
from ddan_torchreid.training import resuming
from tests.engines import all_state, trained
from tests.whole_runs import differences, state_of

CHANGED = {
    ("ddan.central_domain", "mall"): "central_domain was film, now mall",
    ("model.name", "ddan_mobilenetv2_in_bn_x0_35"): "model was ddan_mobilenetv2_x0_35, now",
    ("ddan.hidden_dim", "64"): r"layers.0.weight was \(128, 1280\), now \(64, 1280\)",
    ("train.optim", "sgd"): "train.optim was adam, now sgd; resume with the same",
    ("train.optim", "amsgrad"): "train.optim was adam, now amsgrad",
    ("train.weight_decay", "0.1"): "train.weight_decay was 0.0005, now 0.1",
    ("adam.beta1", "0.5"): r"adam.beta1 and adam.beta2 was \(0.9, 0.999\), now \(0.5, 0.999\)",
    ("train.staged_lr", "True"): "train.staged_lr was False, now True",
    ("train.lr_scheduler", "cosine"): "train.lr_scheduler was single_step, now cosine",
    ("ddan.warmup_steps", "5"): "ddan.warmup_steps was 0, now 5; resume with the same",
    ("train.lr", "0.01"): "train.lr was 0.0003, now 0.01; resume with the same",
    ("data.sources", "['mall', 'film']"): "sources was .*, now .'mall', 'film'.",
}


def test_changed_options_are_refused_before_anything_is_loaded(small_engine, tmp_path):
    options = ("train.optim", "adam", "train.lr", "0.0003", "train.lr_scheduler", "single_step")
    options += ("train.weight_decay", "0.0005")
    trained(small_engine, tmp_path, 1, *options)
    path = tmp_path / "model" / "model.pth.tar-1"
    refusals = [(ValueError, *change) for change in CHANGED.items()]
    for kind, change, says in (*refusals, (FileNotFoundError, (), "identity_pool")):
        if kind is FileNotFoundError:
            (tmp_path / "identity_pool" / "model.pth.tar-1").unlink()
        engine = small_engine(*options, *change)
        before = copy.deepcopy(all_state(engine))
        with pytest.raises(kind, match=says) as error:
            resuming.resume(engine, path)
        assert "\n" not in str(error.value)
        assert not differences(all_state(engine), before)
        assert engine.resumed is None


def test_layers_of_their_own_rate_and_momentum_are_compared(small_engine, tmp_path):
    options = ("train.optim", "sgd", "train.staged_lr", "True", "train.new_layers", "['neck']")
    trained(small_engine, tmp_path, 1, *options)
    path = tmp_path / "model" / "model.pth.tar-1"
    for change, says in (
        (("train.new_layers", "['classifier']"), "train.new_layers named other layers"),
        (("train.base_lr_mult", "0.5"), "train.lr times train.base_lr_mult was"),
        (("sgd.momentum", "0.5"), "sgd.momentum was 0.9, now 0.5"),
    ):
        with pytest.raises(ValueError, match=says):
            resuming.resume(small_engine(*options, *change), path)
    assert resuming.resume(small_engine(*options), path) == 1


def test_a_schedule_that_moves_the_momentum_is_resumed(small_engine, tmp_path):
    def cyclic():
        engine = small_engine("train.optim", "sgd")
        engine.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            engine.optimizer, max_lr=0.1, total_steps=10
        )
        engine._scheds["model"] = engine.scheduler
        return engine

    engine = cyclic()
    engine.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    other = cyclic()
    assert resuming.resume(other, tmp_path / "model" / "model.pth.tar-1") == 1
    assert other.scheduler.state_dict() == engine.scheduler.state_dict()


@pytest.mark.parametrize("loss", ["softmax", "triplet"])
def test_torchreids_own_engines_go_on(small_config, tmp_path, loss):
    options = ("loss.name", loss, "data.height", "32", "data.width", "16")
    options += ("train.lr_scheduler", "multi_step", "train.stepsize", "[1]")
    settings = small_config(*options, "train.max_epoch", "1")
    engine = builder.build(settings)
    engine.run(**schema.arguments(settings, "run"))
    path = tmp_path / "log" / "model" / "model.pth.tar-1"
    for prefix in ("", "module."):
        state = state_files.read(path)
        state["state_dict"] = {prefix + key: value for key, value in state["state_dict"].items()}
        state_files.write(state, path)
        again = small_config(*options, "model.resume", "auto")
        resumed = builder.build(again)
        assert again.train.start_epoch == 1
        assert not differences(state_of(resumed), state_of(engine))
    for change, says in (
        (("data.sources", "['mall', 'film']"), "classifier.weight was .*data.sources"),
        (("model.name", "osnet_x0_25"), "does not fit the model: it has no conv1.conv.weight"),
        (("train.lr", "0.9"), "train.lr was .*, now 0.9"),
    ):
        with pytest.raises(ValueError, match=says) as error:
            builder.build(small_config(*options, *change, "model.resume", str(path)))
        assert "\n" not in str(error.value)
    state_files.write(state["state_dict"], path)
    with pytest.raises(ValueError, match=r"holds weights, and .*; write model.load_weights"):
        builder.build(small_config(*options, "model.resume", str(path)))


def test_a_fine_tuning_goes_on_with_the_same_command(words, tmp_path, capsys):
    save_dir = ["data.save_dir", str(tmp_path / "before")]
    assert main([*words, *save_dir, "train.max_epoch", "1"]) == 0
    path = tmp_path / "before" / "model" / "model.pth.tar-1"
    command = [*words, "data.sources", "['plaza', 'film']"]
    command += ["ddan.fine_tune", "True", "model.load_weights", str(path), "train.max_epoch", "1"]
    command += ["data.save_dir", str(tmp_path / "after"), "--resume"]
    capsys.readouterr()
    assert main(command) == 0
    output = capsys.readouterr().out
    assert "No checkpoint in" in output
    assert "optimiser, discriminator and ID pool start anew" in output
    path.unlink()  # what it started from is in its own checkpoint
    assert main(command) == 0
    output = capsys.readouterr().out
    assert f'Resumed from "{tmp_path}/after/model/model.pth.tar-1", epoch 1' in output
    assert "start anew" not in output


def test_an_automatic_central_domain_is_resumed(small_engine, small_config, tmp_path):
    engine = trained(small_engine, tmp_path, 1, "ddan.central_domain", "auto")
    path = tmp_path / "model" / "model.pth.tar-1"
    resumed = builder.build(small_config("ddan.central_domain", "auto", "model.resume", str(path)))
    assert resumed.objective.central == engine.objective.central
    assert resumed.pool.central_domain == engine.objective.central


SHUFFLED = """
import os, random, sys
order = random.Random(int(sys.argv[1]))
listdir, scandir = os.listdir, os.scandir

def shuffled(entries, key=None):
    entries = sorted(entries, key=key)
    order.shuffle(entries)
    return entries

class Scan(list):
    def __init__(self, *arguments):
        with scandir(*arguments) as entries:
            super().__init__(shuffled(entries, key=lambda entry: entry.name))
    def __next__(self): return self.pop()
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass

os.listdir, os.scandir = lambda *arguments: shuffled(listdir(*arguments)), Scan
from ddan_torchreid import cli
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_resumed_run_does_not_depend_on_the_process(real_root, tmp_path, workers):
    """Another hash seed, order of directories and data root: the same, through the command line.

    Market-1501 lists its files as the system does, CUHK02 goes through a set of strings.
    """
    moved = tmp_path / "moved" / "elsewhere"
    moved.parent.mkdir()
    moved.symlink_to(real_root)
    words = [
        *("train", "--config-file", "ddan_no_duke", "-s", "market1501", "cuhk02", "-t", "ilids"),
        *("model.name", "ddan_mobilenetv2_x0_35", "model.pretrained", "False"),
        *("ddan.central_domain", "cuhk02", "ddan.similarity_start_epoch", "1", "ddan.top_k", "3"),
        *("data.height", "32", "data.width", "16", "data.workers", workers),
        *("train.batch_size", "16", "train.max_epoch", "2"),
    ]

    def run(root, seed, *more):
        subprocess.run(
            [sys.executable, "-c", SHUFFLED, seed, *words, "--root", str(root), *more],
            check=True,
            stdout=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        )

    run(real_root, "1", "data.save_dir", str(tmp_path / "a"))
    resume = str(tmp_path / "a" / "model" / "model.pth.tar-1")
    run(moved, "2", "data.save_dir", str(tmp_path / "b"), "--resume", resume)
    for name in ("model", "discriminator", "identity_pool"):
        a, b = (
            state_files.read(tmp_path / folder / name / "model.pth.tar-2")["state_dict"]
            for folder in ("a", "b")
        )
        assert not differences(a, b)
