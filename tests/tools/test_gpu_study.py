"""The study on a GPU: what makes many short runs cheap changes none of their results."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from experiments.gpu_study import pack, progress, run, runs, streams
from experiments.gpu_study.options import Options
from experiments.gpu_study.queue import Queue
from PIL import Image

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder


def test_a_replayed_run_has_the_weights_of_an_ordinary_one(small_config, tmp_path):
    options = ("train.optim", "sgd", "ddan.dropout", "0.5")
    ordinary = builder.build(config := small_config(*options))
    ordinary.run(**configuration.arguments(config, "run"))

    config = small_config(*options)
    steps = streams.prepare(config, tmp_path / "stream", 10**6)
    assert steps == len(ordinary.train_loader)
    for epoch in range(config.train.max_epoch):
        for part in reversed(range(streams.PARTS)):
            streams.render(config, tmp_path / "stream", epoch, part)
    replayed = builder.build(config)
    run._replay(replayed, tmp_path / "stream")
    replayed.run(**configuration.arguments(config, "run"))

    for name in ("model", "discriminator", "identity_pool"):
        expected, found = (e._models[name].state_dict() for e in (ordinary, replayed))
        assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_run_waits_for_what_is_not_written_yet_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PATIENCE", 0.1)
    with pytest.raises(TimeoutError):
        streams._wait_for(tmp_path / "part0")


def test_the_parts_of_an_epoch_are_all_of_it():
    for steps in (1, 3, 4, 375):
        found = [n for part in range(streams.PARTS) for n in range(*streams.bounds(steps, part))]
        assert found == list(range(steps))


def test_persons_are_capped_evenly_over_their_cameras():
    shots = [pack.Shot(f"{camera}/{n}", "anna", camera) for camera in "abc" for n in range(9)]
    shots += [pack.Shot("a/bert", "bert", "a")]
    chosen = pack.capped(reversed(shots))
    assert Counter(shot.camera for shot in chosen if shot.person == "anna") == {
        "a": 3,
        "b": 3,
        "c": 2,
    }
    assert chosen == pack.capped(shots)
    assert shots[-1] in chosen


def test_runs_are_named_once_and_their_baseline_comes_first():
    queue = runs.queue()
    keys = [each.key for each in queue]
    assert len(set(keys)) == len(keys) == 53
    assert keys[0] == runs.BASELINE_RUN
    aligned = [
        each.row.key for each in queue[next(n for n, each in enumerate(queue) if each.centre) :]
    ]
    assert not any("triplet" in row or "identity" in row for row in aligned)


def test_the_held_out_persons_of_a_source_are_not_trained_on(tmp_path):
    centres = {"central": "market1501", "worst": "cuhk01"}
    home = next(each for each in runs.queue() if each.held_out and each.centre)
    config = runs.configure(home, tmp_path, 10, centres)
    assert config.data.sources[0] == config.ddan.central_domain == "market1501train"
    assert "market1501" in config.data.targets
    other = runs.configure(runs.queue()[0], tmp_path, 10, {})
    assert "market1501" not in other.data.targets
    assert other.train.stepsize == [4]


def test_the_centre_is_of_the_finished_baseline_and_nothing_is_repeated(tmp_path):
    options = Options(tmp_path, 2, 4, "^(triplet|alignment)/1", 1, 1, 1e9, [])
    (tmp_path / "results").mkdir()
    queue = Queue(options)
    assert queue._next(0) == 0
    distances = {
        "names": ["market1501", "cuhk01", "cuhk03p1"],
        "matrix": [[0, 1, 3], [1, 0, 1], [3, 1, 0]],
        "central": "cuhk01",
    }
    config = options.config(options.runs()[0], {})
    record = {
        "experiment": "photographs", "row": "triplet", "seed": 1, "place": 1,
        "digest": run.code_of(config, 4), "distances": distances,
    }  # fmt: skip
    queue._conclude(0, 0, {"record": record})
    again = Queue(options)
    assert again.state()["found"] == 1
    assert again.state()["centres"] == {"central": "cuhk01", "worst": "market1501"}
    assert again._next(0) == 1


def test_a_run_that_dies_is_tried_once_more_and_the_queue_goes_on(tmp_path):
    options = Options(tmp_path, 2, 4, "^(triplet|identity)/[12]", 1, 1, 1e9, [])
    (tmp_path / "results").mkdir()
    queue = Queue(options)
    for _ in range(2):
        queue._conclude(0, queue._next(0), {"error": "out of memory"})
    assert [queue._next(n) for n in range(1, 4)] == [1, 2, 3]
    lines = (tmp_path / "results" / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["error"] for line in lines] == ["out of memory"] * 2


def test_no_run_is_started_that_would_be_cut_off(tmp_path):
    options = Options(tmp_path, 2, 4, "^triplet", 1, 1, 60, [])
    (tmp_path / "results").mkdir()
    queue = Queue(options)
    assert queue._next(0) == 0
    queue._running[0]["since"] -= 70
    record = {"experiment": "photographs", "row": "triplet", "seed": 1, "digest": ""}
    queue._conclude(0, 0, {"record": record})
    assert queue._next(0) is None
    assert queue.state()["waiting"] == 4


def test_unpacked_images_keep_names_and_are_nearly_what_they_were(tmp_path, monkeypatch):
    for name in (*pack.TARGETS, f"{pack.MARKET}/query", "cuhk01/campus", "torch_home/checkpoints"):
        (tmp_path / "in" / name).mkdir(parents=True)
    smooth = np.linspace(0, 255, 160 * 80 * 3).reshape(160, 80, 3).astype(np.uint8)
    picture = Image.fromarray(smooth)
    for name in (f"{pack.MARKET}/query/0003_c1s1_000001_00.jpg", f"{pack.TARGETS[0]}/000_45.bmp"):
        picture.save(tmp_path / "in" / name)
    for name in (*pack.OWN_SOURCES, *pack.VALIDATION):
        file = tmp_path / "in" / "own" / f"{name}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("path,pid,camid\n")
    for name in pack.PLAIN:
        (tmp_path / "in" / name).write_bytes(b"partitions")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "in/torch_home"))
    weights = pack.cached_file()
    weights.parent.mkdir(parents=True)
    torch.save({"features.0": torch.ones(2), "classifier.1": torch.ones(3)}, weights)
    pack.write(tmp_path / "in", tmp_path / "pack.zip")
    pack.unpack(tmp_path / "pack.zip", tmp_path / "out", 1)
    small = pack.resize(smooth, pack.HEIGHT, pack.WIDTH).astype(int)
    found = np.asarray(Image.open(tmp_path / "out" / pack.TARGETS[0] / "000_45.bmp")).astype(int)
    assert abs(found - small).mean() < 3
    assert (tmp_path / "out" / pack.MARKET / "query/0003_c1s1_000001_00.jpg").is_file()
    loaded = torch.load(tmp_path / "out/torch_home/hub/checkpoints" / weights.name)
    assert list(loaded) == ["features.0"]


def test_progress_says_what_runs_and_copies_the_results(tmp_path, capsys, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "results" / "results.jsonl").write_text("{}\n")
    state = {
        "time": 9.0, "total": 3, "found": 1, "waiting": 1, "steps": 50, "centres": {},
        "running": [{"worker": 0, "run": ["table5", "triplet", 1], "steps": 50, "since": 1.0}],
        "failed": [{"run": ["table5", "identity", 1], "error": "lost"}],
        "ended": False, "rendered": [4, 8], "errors": [], "steps_a_run": 80,
    }  # fmt: skip
    (tmp_path / "state.json").write_text(json.dumps(state))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(
        sys, "argv", ["progress", str(tmp_path), str(ended.pid), "5", str(tmp_path / "out")]
    )
    progress.main()
    printed = capsys.readouterr().out
    assert "1/3 recorded" in printed
    assert "table5 triplet 1" in printed
    assert "lost" in printed
    assert "the queue has died" in printed
    assert (tmp_path / "out" / "results.jsonl").read_text() == "{}\n"
