"""The loop around the step: which checkpoints are written and kept, and what follows them."""

import gc
import math
import os
import resource
from pathlib import Path
from unittest.mock import Mock

import pytest

from ddan_torchreid.config import schema
from ddan_torchreid.evaluation import evaluation_loop
from ddan_torchreid.integration import builder
from ddan_torchreid.system.folder_lock import holds
from ddan_torchreid.system.state_files import read
from ddan_torchreid.training import checkpoint
from tests.other_run import OtherRun
from tests.whole_runs import differences, names, state_of


def test_checkpoints_after_every_other_epoch(run, tmp_path):
    run("rare", "ddan.checkpoint_every_epochs", "2", "train.max_epoch", "4")
    expected = ["model-best.pth.tar", "model.pth.tar-2", "model.pth.tar-4"]
    assert names(tmp_path / "rare") == expected


def test_a_tested_epoch_is_written_once_and_stays(run, tmp_path, monkeypatch):
    written = []
    write = checkpoint.write
    monkeypatch.setattr(
        checkpoint, "write", lambda state, path: (written.append(path), write(state, path))
    )
    run("log", "ddan.keep_checkpoints", "1", "test.eval_freq", "1", "test.start_eval", "2")
    assert len(set(written)) == len(written) == 9  # three parts in each of three epochs
    assert names(tmp_path / "log") == ["model-best.pth.tar", "model.pth.tar-2", "model.pth.tar-3"]
    tested = read(tmp_path / "log" / "model" / "model.pth.tar-2")
    targets = tested["ddan"]["scores"]
    assert set(targets) == {"snow", "night"}
    mean = sum(scores["mAP"] for scores in targets.values()) / 2
    assert tested["ddan"]["mean_ap"] == pytest.approx(mean)
    assert tested["rank1"] == pytest.approx(sum(s["rank-1"] for s in targets.values()) / 2)


def test_minutes_save_within_an_epoch(run, tmp_path):
    seen = []
    run(
        "log",
        *("ddan.checkpoint_every_minutes", "1e-9"),
        after=4,
        action=lambda: seen.append(names(tmp_path / "log")),
    )
    # The third batch's has taken the place of the second's.
    assert seen == [["model.pth.tar-0+3"]]
    left = names(tmp_path / "log")
    assert left == ["model-best.pth.tar", *(f"model.pth.tar-{n}" for n in (1, 2, 3))]


def test_an_epoch_is_not_lost_when_its_test_fails(run, tmp_path, monkeypatch):
    fail = Mock(side_effect=FloatingPointError("features are not finite"))
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_loop, "extract_features", fail)
        with pytest.raises(FloatingPointError, match="features"):
            run("log")
    assert names(tmp_path / "log") == [f"model.pth.tar-{n}" for n in (1, 2, 3)]
    steps = []
    run("log", "model.resume", "auto", after=1, action=lambda: steps.append(1))
    assert not steps
    assert "scores" in read(tmp_path / "log" / "model" / "model.pth.tar-3")["ddan"]


def test_a_finished_run_is_only_tested_again(run, tmp_path):
    whole = run("log")
    before = names(tmp_path / "log")
    again = run("log", "model.resume", "auto")
    assert not differences(state_of(again), state_of(whole))
    # torchreid would file this test under the first epoch.
    assert names(tmp_path / "log") == before
    assert read(tmp_path / "log" / "model" / "model.pth.tar-3")["epoch"] == 3


def test_more_epochs_can_be_added_where_the_schedule_allows(run):
    steps = ("train.lr_scheduler", "multi_step", "train.stepsize", "[1, 2]")
    run("log", *steps, "train.max_epoch", "1")
    more = run("log", *steps, "model.resume", "auto")
    assert not differences(state_of(more), state_of(run("whole", *steps)))
    for key, value, says in (
        ("train.stepsize", "[1]", r"stepsize was \[1, 2\], now \[1\]; resume with the same"),
        ("train.gamma", "0.5", "gamma was 0.1, now 0.5"),
    ):
        with pytest.raises(ValueError, match=says):
            run("log", *steps, key, value, "model.resume", "auto")


def test_a_run_from_python_holds_its_folder(small_engine, tmp_path, monkeypatch):
    engine = small_engine()
    other = OtherRun(tmp_path)
    with pytest.raises(ValueError, match=f"in use by another run, process {other.pid};"):
        engine.run(save_dir=str(tmp_path), max_epoch=0)
    other.end()
    monkeypatch.setattr(engine, "test", lambda *_, **__: holds(tmp_path) or pytest.fail("free"))
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    engine.run(save_dir=f"~/{tmp_path.name}", max_epoch=0)
    assert not holds(tmp_path)


STATM, DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc")
def test_neither_memory_nor_open_files_grow(small_config):
    options = ("train.batch_size", "16", "data.workers", "1", "train.print_freq", "1000000")
    configuration = small_config(*options)
    engine = builder.build(configuration)
    configuration.train.max_epoch = math.ceil(2000 / len(engine.train_loader))
    step, used = engine.forward_backward, []

    def measured(data):
        summary = step(data)
        if engine.batch_idx == 0:
            gc.collect()
            pages = int(STATM.read_text().split()[1])
            mebibytes = pages * resource.getpagesize() / 2**20
            used.append((mebibytes, len(os.listdir(DESCRIPTORS))))
        return summary

    engine.forward_backward = measured
    engine.run(**schema.arguments(configuration, "run"))
    # From a quarter of the run on. Keeping no more than each batch's features would be 117 MiB.
    (before, files), (after, files_after) = used[len(used) // 4], used[-1]
    assert after - before < 32
    assert abs(files_after - files) <= 2
