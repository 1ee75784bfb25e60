"""One training run: paired with the other rows, averaged, and resumed where it was stopped."""

import errno
import json
import shutil

import pytest
import torch

from ddan_torchreid.data import rendered
from ddan_torchreid.experiments import averaging, plan, samples, training_run
from ddan_torchreid.integration import builder
from ddan_torchreid.system import state_files
from ddan_torchreid.training.checkpoint_store import newest


class StoppedError(Exception):
    """Stands for the end of the process."""


def weights(job):
    return state_files.read(job.weights)["state_dict"]


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


def test_rows_start_from_the_same_weights_and_see_the_same_batches(options):
    """With dropout and augmentation, over two epochs: only the loss terms differ."""
    made = plan.make(options("table3", pairs=["ddan.dropout", "0.5"]))
    rows = ["rendered_plaza", "pairwise"]
    jobs = [made.job_of(row, 1) for row in rows]
    jobs += [plan.make(options(pairs=["ddan.dropout", "0.5"])).job_of(r, 1) for r in plan_rows()]
    starts, batches = [], []
    for job in jobs:
        config = job.config.clone()
        config.data.save_dir = str(job.folder)
        engine = builder.build(config)
        starts.append({k: v.clone() for k, v in engine.model.state_dict().items()})
        seen = []
        for epoch in range(2):
            engine.train_loader.sampler.set_epoch(epoch)
            torch.manual_seed(len(batches))  # what a row draws for itself must not matter
            seen += [(batch["img"], batch["impath"]) for batch in engine.train_loader]
        batches.append(seen)
    assert all(same(starts[0], start) for start in starts[1:])
    assert len(batches[0]) == 12
    for seen in batches[1:]:
        for (image, paths), (first_image, first_paths) in zip(seen, batches[0], strict=True):
            assert paths == first_paths
            assert torch.equal(image, first_image)


def plan_rows():
    return ["identity", "triplet", "alignment", "similarity"]


def test_it_leaves_what_the_tables_need(job):
    parts = []
    single = job()
    training_run.train(single, parts.append)
    assert sum(parts) == pytest.approx(2)
    outcome = training_run.outcome(single)
    assert outcome["steps"] == 12
    assert outcome["curves"]["epoch"] == [1, 2]
    assert outcome["curves"]["loss_similarity"][0] is None  # not in the first epoch
    assert outcome["curves"]["loss_similarity"][1] > 0
    assert all(len(curve) == 2 for curve in outcome["curves"].values())
    for scores in outcome["scores"].values():
        assert 0 <= scores["rank-1"] <= scores["rank-5"] <= scores["rank-10"] <= 1
        assert {"rank-20", "mAP", "mINP"} <= scores.keys()
    assert set(outcome["erased"]) == {"sources", "centre"}
    assert outcome["erased"]["sources"]["scores"].keys() == outcome["scores"].keys()
    assert set(outcome["home"]) == set(rendered.SOURCES)
    files = {path.name for path in single.folder.iterdir()}
    assert {"outcome.json", "weights.pth.tar", "features.npz", "train.log"} <= files
    assert newest(single.folder) is None  # the checkpoints are gone
    assert not {"model", "discriminator", "identity_pool"} & files
    for ranked in outcome["rankings"].values():
        assert len(ranked) == 4
        for each in ranked:
            # Right is the same person from another camera, by the files' own names.
            person, camera = each["query"].split("/")[-1].split("_")[:2]
            for file, right in each["gallery"]:
                other, its_camera = file.split("/")[-1].split("_")[:2]
                assert right == (other == person)
                assert (other, its_camera) != (person, camera)


def test_a_finished_run_is_scored_again_and_not_trained(job):
    one = job()
    training_run.train(one, lambda part: None)
    file = one.folder / training_run.OUTCOME
    expected, before = training_run.outcome(one), one.weights.read_bytes()
    file.write_text(json.dumps({key: expected[key] for key in ("curves", "steps", "seconds")}))
    parts = []
    training_run.train(one, parts.append)
    assert training_run.outcome(one) == expected
    assert one.weights.read_bytes() == before
    assert parts == [2]
    # Of one that failed there is nothing to score.
    file.write_text(json.dumps({"failed": "diverged", "scores": {}}))
    training_run.train(one, parts.append)
    assert training_run.outcome(one) == {"failed": "diverged", "scores": {}}


def test_a_stopped_run_goes_on_and_ends_with_the_same_bits(job, options):
    """Stopped within the last epoch, whose weights are averaged with those of the one before."""
    one = job(average_last=2, pairs=["train.max_epoch", "3"])
    training_run.train(one, lambda part: None)
    expected, whole = training_run.outcome(one), weights(one)
    shutil.rmtree(one.folder)

    trained = 0.0

    def stop(part):
        nonlocal trained
        trained += part
        if trained > 2.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        training_run.train(one, stop)
    assert training_run.outcome(one) is None
    assert newest(one.folder) is not None
    parts = []
    training_run.train(one, parts.append)
    assert parts[0] == pytest.approx(2)  # what the checkpoint held
    assert sum(parts) == pytest.approx(3)
    resumed = training_run.outcome(one)
    for key in ("scores", "rankings", "curves", "steps"):
        assert resumed[key] == expected[key], key
    assert same(weights(one), whole)


@pytest.mark.parametrize("damaged", [True, False])
def test_checkpoints_that_cannot_be_used_are_not_deleted(job, monkeypatch, damaged):
    one = job()
    file = one.folder / "model" / "model.pth.tar-1"
    state_files.write({"epoch": 1}, file)
    if damaged:
        file.write_bytes(b"damaged")
    else:

        def fail(*_, **__):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(state_files.torch, "load", fail)
    before = file.read_bytes()

    def stop(config):
        raise StoppedError

    monkeypatch.setattr(builder, "build", stop)
    with pytest.raises(StoppedError if damaged else OSError):
        training_run.train(one, lambda part: None)
    assert file.read_bytes() == before
    # What a run left that was stopped before its first checkpoint is of no use to anybody.
    file.unlink()
    (one.folder / "leftover").touch()
    with pytest.raises(StoppedError):
        training_run.train(one, lambda part: None)
    assert [each.name for each in one.folder.iterdir()] == [training_run.LOG]


def test_the_weights_are_the_mean_over_the_last_epochs(job, monkeypatch):
    """Against a sum by hand; batch-norm statistics are those of the averaged network."""
    one = job("triplet", average_last=2, pairs=["train.max_epoch", "3"])
    ends = []
    end_epoch = averaging.WeightAverage.end_epoch

    def keep(self, epoch):
        ends.append({k: v.detach().clone() for k, v in self._model.named_parameters()})
        end_epoch(self, epoch)

    monkeypatch.setattr(averaging.WeightAverage, "end_epoch", keep)
    training_run.train(one, lambda part: None)
    averaged = weights(one)
    assert len(ends) == 3
    for key, last in ends[2].items():
        torch.testing.assert_close(averaged[key], (ends[1][key] + last) / 2)
    assert int(averaged["neck.num_batches_tracked"]) == 6  # one epoch, counted from zero
    plain = job("triplet", pairs=["train.max_epoch", "3"])
    training_run.train(plain, lambda part: None)
    assert all(torch.equal(weights(plain)[key], last) for key, last in ends[2].items())
    mean, last = (training_run.outcome(each)["curves"] for each in (one, plain))
    assert mean == last  # averaging changes what is scored, not what is trained


def test_pretrained_weights_come_without_their_identity_head(options):
    made = plan.make(options(rows=["triplet"], initial_weights="pretrain", pretrain_epochs=1))
    (pretraining,) = made.pretraining.values()
    training_run.train(pretraining, lambda part: None)
    assert not any(key.startswith("classifier.") for key in weights(pretraining))
    assert not (pretraining.folder / samples.FILE).exists()
    config = made.job_of("triplet", 1).config.clone()
    config.data.save_dir = str(made.job_of("triplet", 1).folder)
    own = builder.build(config).model.state_dict()
    assert all(torch.equal(own[key], value) for key, value in weights(pretraining).items())


def test_a_run_that_diverges_is_a_result(job, monkeypatch):
    one = job("triplet")

    def diverge(*args, **keywords):
        raise FloatingPointError("loss_id is nan in epoch 1, batch 1")

    monkeypatch.setattr(training_run.training.ImageDDANEngine, "run", diverge)
    training_run.train(one, lambda part: None)
    outcome = json.loads((one.folder / training_run.OUTCOME).read_text())
    assert outcome["failed"].startswith("loss_id is nan")
    assert outcome["scores"] == {}


def test_pretraining_that_diverges_is_no_start_for_others(options, monkeypatch):
    made = plan.make(options(rows=["triplet"], initial_weights="pretrain"))
    (pretraining,) = made.pretraining.values()

    def diverge(*args, **keywords):
        raise FloatingPointError("loss_id is nan")

    monkeypatch.setattr(training_run.training.ImageDDANEngine, "run", diverge)
    with pytest.raises(FloatingPointError):
        training_run.train(pretraining, lambda part: None)
    assert training_run.outcome(pretraining) is None
