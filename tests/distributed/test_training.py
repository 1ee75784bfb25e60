"""Training, testing, saving and resuming with several processes, against one."""

import json
import os
import signal
from functools import partial

import numpy as np
import pytest
import torch

from ddan_torchreid import distributed
from ddan_torchreid.config.schema import arguments
from ddan_torchreid.evaluation import as_row
from ddan_torchreid.integration.builder import build
from ddan_torchreid.training import resuming
from ddan_torchreid.training.checkpoint_store import find
from tests.distributed.launch import run
from tests.distributed.trainings import in_float64, state
from tests.whole_runs import differences

SAME = ("train.optim", "sgd", "train.lr", "0.01")
SMALL = ("data.height", "32", "data.width", "16")


def prepared(make_config, *options, exactly=True):
    """A configuration with its engine; exactly: one whose training depends on its batches alone."""
    config = make_config(*SMALL, *SAME, *options)
    engine = build(config)
    if exactly:
        in_float64(engine)
    return config, engine


def train(make_config, *options, exactly=True, resume=None):
    config, engine = prepared(make_config, *options, exactly=exactly)
    if resume is not None:
        config.train.start_epoch = resuming.resume(engine, find(str(resume), ""))
    engine.run(**arguments(config, "run"))
    return state(engine)


def interrupt(make_config, *options, exactly=True):
    """Trains until the last process gets a signal in the second step of epoch 2."""
    config, engine = prepared(make_config, *options, exactly=exactly)
    forward_backward, steps, per_epoch = engine.forward_backward, [], len(engine.train_loader)

    def counted(data):
        steps.append(data)
        if len(steps) == per_epoch + 2 and distributed.rank() == distributed.size() - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward_backward(data)

    engine.forward_backward = counted
    with pytest.raises(SystemExit) as stop:
        engine.run(**arguments(config, "run"))
    return stop.value.code, len(steps) - per_epoch


def test_training_goes_on_with_other_numbers_of_processes(small_config, tmp_path):
    # The second epoch, which is the first with L_SE, is stopped after its second batch.
    expected = train(small_config)
    into = ("data.save_dir", str(tmp_path / "stopped"))
    assert run(2, interrupt, small_config, *into) == [(0, 2), (0, 2)]
    names = {path.name for path in (tmp_path / "stopped" / "model").iterdir()}
    assert names == {"model.pth.tar-1", "model.pth.tar-1+2"}
    resumed = partial(train, resume=tmp_path / "stopped")
    first, *others = run(3, resumed, small_config, *into, "ddan.pool_sharding", "True")
    torch.testing.assert_close(first, expected, rtol=1e-7, atol=1e-9)
    for other in others:
        # A sharded pool is saved by the first process.
        assert not differences(other, {n: first[n] for n in first if not n.startswith("pool")})


@pytest.mark.parametrize(
    "options",
    [
        ("sampler.train_sampler", "RandomIdentitySampler"),
        ("ddan.neck", "none"),
        ("ddan.alignment_reaches", "encoder", "ddan.discriminator", "balanced"),
    ],
    ids=str,
)
def test_two_processes_train_what_one_trains(small_config, options):
    expected = train(small_config, *options)
    first, second = run(2, train, small_config, *options)
    torch.testing.assert_close(first, expected, rtol=1e-7, atol=1e-9)
    assert not differences(second, first)


@pytest.mark.slow
def test_two_processes_resume_bit_by_bit(small_config, tmp_path):
    into = ("ddan.dropout", "0.5", "train.optim", "adam", "data.save_dir", str(tmp_path))
    expected, other = run(2, partial(train, exactly=False), small_config, *into[:-2])
    apart = differences(other, expected)
    assert all("running" in name for name in apart), apart
    run(2, partial(interrupt, exactly=False), small_config, *into)
    resumed = run(2, partial(train, exactly=False, resume=tmp_path), small_config, *into)
    assert not differences(resumed[0], expected)


def evaluate(make_config, *options):
    # Of a batch size that the processes could not share out.
    config = make_config(*SMALL, "test.evaluate", "True", "train.batch_size", "16", *options)
    engine = build(config)
    # Each process has running statistics of its own; the first one's are to be used.
    with torch.no_grad():
        engine.model.neck.running_mean += distributed.rank()
    engine.run(**arguments(config, "run"))
    rows = {name: as_row(scores) for name, scores in engine.scores.items()}
    return rows, {name: scores.distances.shape for name, scores in engine.scores.items()}


@pytest.mark.parametrize("options", [(), ("ddan.legacy_metrics", "True")], ids=["own", "protocol"])
def test_processes_share_the_test_images(small_config, options):
    expected, shapes = evaluate(small_config, *options)
    results = run(3, evaluate, small_config, *options)
    for rows, _ in results:
        assert rows.keys() == expected.keys()
        for target, row in rows.items():
            np.testing.assert_allclose([*row.values()], [*expected[target].values()], atol=1e-6)
    first, *others = (distances for _, distances in results)
    assert first == shapes
    assert all(set(distances.values()) == {(0, 0)} for distances in others)


def meet_nan(make_config, save_dir):
    config = make_config(*SMALL, "train.max_epoch", "1", "data.save_dir", str(save_dir))
    engine = build(config)
    forward_backward, steps = engine.forward_backward, []

    def spoilt(data):
        steps.append(data)
        if len(steps) == 2 and distributed.rank() == 1:
            data["img"][0] = torch.nan
        return forward_backward(data)

    engine.forward_backward = spoilt
    with pytest.raises(FloatingPointError) as error:
        engine.run(**arguments(config, "run"))
    return str(error.value), len(steps)


def test_all_stop_at_a_batch_that_is_not_finite_in_one(small_config, tmp_path):
    for message, steps in run(2, meet_nan, small_config, tmp_path):
        assert "epoch 1, batch 2" in message
        assert steps == 2
    record = json.loads((tmp_path / "non-finite-epoch-1-batch-2.json").read_text())
    assert len(record["images"]) == 24


def freeze(make_config):
    config = make_config(*SMALL, "train.fixbase_epoch", "1", "train.open_layers", "['classifier']")
    engine = build(config)
    before = {name: value.detach().clone() for name, value in engine.model.named_parameters()}
    changed = []
    engine.test = lambda *_, **__: 0.0
    train_epoch = engine.train

    def compared(*options, **keywords):
        train_epoch(*options, **keywords)
        now = dict(engine.model.named_parameters())
        changed.append({name for name in before if not torch.equal(now[name], before[name])})

    engine.train = compared
    engine.run(**arguments(config, "run"))
    return changed, len(before)


def test_layers_that_are_frozen_at_first(small_config):
    for (first, second), parameters in run(2, freeze, small_config):
        assert first == {"classifier.weight", "classifier.bias"}
        assert len(second) == parameters
