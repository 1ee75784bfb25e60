"""Training, testing, saving and resuming with several processes, against one."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from ddan_torchreid import distributed
from ddan_torchreid.config.schema import arguments
from ddan_torchreid.evaluation import as_row
from ddan_torchreid.integration.builder import build
from ddan_torchreid.training import resuming
from ddan_torchreid.training.checkpoint_store import find
from tests.distributed.launch import run
from tests.distributed.trainings import in_float64, state

# Without what depends on the number of processes: dropout, and (below) statistics of batch norms.
SAME = ("ddan.dropout", "0.0", "train.optim", "sgd", "train.lr", "0.01")
SMALL = ("data.height", "32", "data.width", "16")


def in_float64_with_fixed_statistics(engine):
    """Makes an engine's training a function of its batches but for tiny rounding."""

    def fix():
        for module in engine.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    in_float64(engine, before=fix)


def train(make_config, *options, exactly=True, resume=None):
    config = make_config(*SMALL, *SAME, *options)
    engine = build(config)
    if exactly:
        in_float64_with_fixed_statistics(engine)
    if resume is not None:
        config.train.start_epoch = resuming.resume(engine, find(str(resume), ""))
    engine.run(**arguments(config, "run"))
    return state(engine)


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-7, atol=1e-9, msg=name)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def interrupt(make_config, step, *options, exactly=True):
    """Trains until the process with the highest number gets a signal in a step of epoch 2."""
    config = make_config(*SMALL, *SAME, *options)
    engine = build(config)
    if exactly:
        in_float64_with_fixed_statistics(engine)
    forward_backward, steps, per_epoch = engine.forward_backward, [], len(engine.train_loader)

    def counted(data):
        steps.append(data)
        if len(steps) == per_epoch + step and distributed.rank() == distributed.size() - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward_backward(data)

    engine.forward_backward = counted
    with pytest.raises(SystemExit) as stop:
        engine.run(**arguments(config, "run"))
    return stop.value.code, len(steps) - per_epoch


def resume_sharded(make_config, folder):
    options = ("data.save_dir", str(folder), "ddan.pool_sharding", "True")
    return train(make_config, *options, resume=folder)


def test_training_goes_on_with_other_numbers_of_processes(small_config, tmp_path):
    # The second epoch, which is the first with L_SE, is stopped after its second batch.
    expected = train(small_config)
    folder = tmp_path / "stopped"
    assert run(2, interrupt, small_config, 2, "data.save_dir", str(folder)) == [(0, 2), (0, 2)]
    names = {path.name for path in (folder / "model").iterdir()}
    assert names == {"model.pth.tar-1", "model.pth.tar-1+2"}
    first, *others = run(3, resume_sharded, small_config, folder)
    assert_close(first, expected)
    for other in others:
        # A sharded pool is saved by the first process.
        assert_equal(other, {name: first[name] for name in first if not name.startswith("pool")})


@pytest.mark.parametrize(
    "options", [("sampler.train_sampler", "RandomIdentitySampler"), ("ddan.neck", "none")], ids=str
)
def test_two_processes_train_what_one_trains(small_config, options):
    expected = train(small_config, *options)
    first, second = run(2, train, small_config, *options)
    assert_close(first, expected)
    assert_equal(second, first)


DROPOUT = ("ddan.dropout", "0.5", "train.optim", "adam")


def train_as_it_is(make_config, *options, resume=None):
    return train(make_config, *DROPOUT, *options, exactly=False, resume=resume)


def resume_as_it_is(make_config, folder):
    return train_as_it_is(make_config, "data.save_dir", str(folder), resume=folder)


def interrupt_as_it_is(make_config, step, *options):
    return interrupt(make_config, step, *DROPOUT, *options, exactly=False)


@pytest.mark.slow
def test_two_processes_resume_bit_by_bit(small_config, tmp_path):
    expected, other = run(2, train_as_it_is, small_config)
    parameters = [name for name in expected if "running" not in name]
    assert_equal({name: other[name] for name in parameters}, {n: expected[n] for n in parameters})
    folder = tmp_path / "stopped"
    run(2, interrupt_as_it_is, small_config, 2, "data.save_dir", str(folder))
    assert_equal(run(2, resume_as_it_is, small_config, folder)[0], expected)


def evaluate(make_config, *options):
    # A batch that the processes could not share out is no matter.
    config = make_config(*SMALL, "test.evaluate", "True", "train.batch_size", "16", *options)
    engine = build(config)
    # Running statistics of its own, which only the first process's should take part with.
    with torch.no_grad():
        engine.model.neck.running_mean += distributed.rank()
    engine.run(**arguments(config, "run"))
    rows = {name: as_row(scores) for name, scores in engine.scores.items()}
    return rows, {name: scores.distances.shape for name, scores in engine.scores.items()}


@pytest.mark.parametrize("options", [(), ("ddan.legacy_metrics", "True")], ids=["own", "protocol"])
def test_processes_share_the_test_images(small_config, options):
    expected, shapes = evaluate(small_config, *options)
    results = run(3, evaluate, small_config, *options)
    for rows, distances in results:
        assert rows.keys() == expected.keys()
        for target, row in rows.items():
            np.testing.assert_allclose(
                list(row.values()), list(expected[target].values()), atol=1e-6
            )
        if rows is results[0][0]:
            assert distances == shapes
        else:
            assert set(distances.values()) == {(0, 0)}


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
