"""The study on a GPU: what makes many short runs cheap changes none of their results."""

import json
import threading
from collections import Counter

import numpy as np
import pytest
import torch
from experiments import photographs
from experiments.gpu_study import pack, queue, runs, streams
from experiments.gpu_study.queue import Queue
from experiments.gpu_study.runs import Options
from experiments.plan import OUTCOME
from experiments.run import record_of
from PIL import Image

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder

DISTANCES = {
    "names": ["market1501", "cuhk01", "cuhk03p1"],
    "matrix": [[0, 1, 3], [1, 0, 1], [3, 1, 0]],
    "central": "cuhk01",
}


def options(folder, only=""):
    """Of a queue that trains nothing."""
    (folder / "results").mkdir(exist_ok=True)
    return Options(folder, 10, 4, only, 1, 1, [])


def finish(run):
    """Leaves the outcome of a run that did not take place."""
    run.folder.mkdir(parents=True)
    outcome = {"scores": {}, "distances": DISTANCES, "steps": 4}
    (run.folder / OUTCOME).write_text(json.dumps(outcome))


@pytest.mark.slow
def test_a_replayed_run_has_the_weights_of_an_ordinary_one(small_config, tmp_path):
    pairs = ("train.optim", "sgd", "ddan.dropout", "0.5")
    ordinary = builder.build(config := small_config(*pairs))
    ordinary.run(**configuration.arguments(config, "run"))

    config = small_config(*pairs)
    steps = streams.prepare(config, tmp_path / "stream", 10**6)
    assert steps == len(ordinary.train_loader)
    for epoch in range(config.train.max_epoch):
        for part in reversed(range(streams.PARTS)):
            streams.render(config, tmp_path / "stream", epoch, part)
    replayed = builder.build(config)
    counted = []
    streams.replay(replayed, tmp_path / "stream", counted.append)
    replayed.run(**configuration.arguments(config, "run"))

    for name in ("model", "discriminator", "identity_pool"):
        expected, found = (e._models[name].state_dict() for e in (ordinary, replayed))
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert counted == list(range(1, steps * config.train.max_epoch + 1))


def test_the_batches_of_a_stream_are_those_of_the_loader(small_config, tmp_path):
    config = small_config("data.height", "32", "data.width", "16", "train.max_epoch", "1")
    engine, ordinary = builder.build(config), builder.build(config)
    streams.prepare(config, tmp_path, 2)
    for part in range(streams.PARTS):
        streams.render(config, tmp_path, 0, part)
    streams.replay(engine, tmp_path, lambda done: None)
    for each in (engine, ordinary):
        each.epoch = 0
    ordinary.train_loader.sampler.set_epoch(0)
    assert len(engine.train_loader) == 2
    for found, expected in zip(engine.train_loader, ordinary.train_loader, strict=False):
        assert all(torch.equal(found[key], expected[key]) for key in found)


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
    cameras = Counter(shot.camera for shot in chosen if shot.person == "anna")
    assert cameras == {"a": 3, "b": 3, "c": 2}
    assert chosen == pack.capped(shots)
    assert shots[-1] in chosen


def test_jobs_are_named_once_and_their_baseline_comes_first():
    jobs = runs.jobs()
    keys = [job.key for job in jobs]
    assert len(set(keys)) == len(keys) == 53
    assert keys[0] == runs.BASELINE
    aligned = jobs[next(n for n, job in enumerate(jobs) if job.needs_centre) :]
    assert not any("triplet" in job.row.key or "identity" in job.row.key for job in aligned)


def test_a_run_is_the_row_of_the_study_in_its_own_number_of_epochs(tmp_path):
    chosen = options(tmp_path)
    jobs = {job.key: job for job in chosen.jobs()}
    config = chosen.run(jobs["held_out_alignment", 1], DISTANCES).config
    assert config.data.sources == photographs.BASE["data.sources"]
    assert not config.data.combineall
    assert (config.train.stepsize, config.ddan.central_domain) == ([4], "cuhk01")
    worst = chosen.run(jobs["worst_central", 2], DISTANCES)
    assert (worst.config.ddan.central_domain, worst.config.train.seed) == ("market1501", 2)
    shared = {chosen.stream(jobs[key, 1]) for key in ("triplet", "similarity", "pairwise")}
    assert len(shared) == 1
    assert chosen.stream(jobs["held_out_triplet", 1]) not in shared


def test_the_centre_is_of_the_finished_baseline_and_nothing_is_repeated(tmp_path):
    chosen = options(tmp_path, "^(triplet|alignment)/1")
    first = Queue(chosen)
    job, run = first.next()
    assert job.key == runs.BASELINE
    finish(run)
    first.conclude(run)
    assert [each.row.key for each in (first.next()[1], *first.running[:-1])] == ["alignment"]
    again = Queue(chosen)
    job, run = again.next()
    assert again.recorded == 1
    assert run.config.ddan.central_domain == "cuhk01"
    again.conclude(run)
    assert again.next() is None
    assert (again.failed, again.pending) == (1, [])


def test_without_a_baseline_nothing_waits_for_ever(tmp_path):
    waiting = Queue(options(tmp_path, "^alignment/1"))
    assert waiting.next() is None
    assert len(waiting.pending) == 1


def test_a_run_that_dies_is_tried_once_more_and_the_queue_goes_on(tmp_path, monkeypatch):
    tried = []

    class Worker:
        def __init__(self, *_):
            pass

        def submit(self, _, run, stream):
            tried.append((run.row.key, run.seed))
            if tried[0] == tried[-1]:
                raise RuntimeError("out of memory")
            finish(run)
            return self

        def result(self):
            return None

        def shutdown(self, wait=True):
            pass

    monkeypatch.setattr(queue, "ProcessPoolExecutor", Worker)
    served = Queue(options(tmp_path, "^identity/[12]"))
    served.serve(0)
    assert tried == [("identity", 1), ("identity", 1), ("identity", 2)]
    assert (served.recorded, served.failed) == (1, 1)


def test_a_record_says_the_commit_that_was_carried_along(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_COMMIT", "0123abc")
    chosen = options(tmp_path, "^triplet/1")
    served = Queue(chosen)
    _, run = served.next()
    finish(run)
    served.conclude(run)
    (line,) = (tmp_path / "results" / "results.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["git"] == {"commit": "0123abc", "dirty": False}
    assert set(record_of("photographs", run, None)) == set(record)


def test_watching_says_how_far_things_are_and_ends_with_the_queue(tmp_path, capsys):
    chosen = options(tmp_path, "^alignment/1")
    threads = [threading.Thread(target=lambda: None)]
    threads[0].start()
    queue._watch(Queue(chosen), threads, [], 40)
    line, last = capsys.readouterr().out.splitlines()
    assert "0 recorded, 0 running, 1 waiting, 0 failed" in line
    assert last == "ended"


def test_unpacked_images_keep_names_and_are_nearly_what_they_were(tmp_path, monkeypatch):
    for name in (*pack.TARGETS, f"{pack.MARKET}/query", "cuhk01/campus", "torch_home/checkpoints"):
        (tmp_path / "in" / name).mkdir(parents=True)
    smooth = np.linspace(0, 255, 160 * 80 * 3).reshape(160, 80, 3).astype(np.uint8)
    picture = Image.fromarray(smooth)
    for name in (f"{pack.MARKET}/query/0003_c1s1_000001_00.jpg", f"{pack.TARGETS[0]}/000_45.bmp"):
        picture.save(tmp_path / "in" / name)
    for name in (*photographs.OWN, *photographs.VALIDATION):
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
