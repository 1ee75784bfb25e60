"""CUDA graphs without a GPU: when a step is recorded, when anew, when not at all, what is refused.

tests/gpu records and replays real ones.
"""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch import nn

from ddan_torchreid import DDANSettings
from ddan_torchreid.models import FACTORIES
from ddan_torchreid.training.acceleration import cuda_graphs
from ddan_torchreid.training.acceleration.cuda_graphs import MOST_SIZES
from tests.engines import all_state, first_batch, prepared


class Recording:
    """Runs a step as often as a recording does, and again for each replay; it holds nothing."""

    made: ClassVar[list["Recording"]] = []

    def __init__(self, step, inputs, trained, memory):
        assert all(each.grad is None for module in trained for each in module.parameters())
        for _ in range(cuda_graphs.WARM_UPS + 1):
            step(*inputs)
            for module in trained:
                module.zero_grad()
        self.step, self.replays, self.shared = step, 0, memory
        self.graph = SimpleNamespace(pool=lambda: "memory")
        self.made.append(self)

    def replay(self, inputs):
        self.replays += 1
        return self.step(*inputs)


@pytest.fixture
def made(monkeypatch):
    """The recordings of a test; on the CPU too, steps are recorded unless ``'off'`` is written."""
    monkeypatch.setattr(cuda_graphs, "wanted", lambda settings, *_: settings.cuda_graphs != "off")
    monkeypatch.setattr(cuda_graphs, "Recording", Recording)
    monkeypatch.setattr(Recording, "made", [])
    return Recording.made


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Where there is none, ``wanted`` is told that an engine of the CPU is on one."""
    monkeypatch.delenv("CUDA_LAUNCH_BLOCKING", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    return lambda engine, **options: cuda_graphs.wanted(
        DDANSettings(**options), engine.model, torch.device("cuda")
    )


def test_a_recorded_run_is_that_without(small_engine, made, tmp_path):
    """With layers that are frozen at first, L_SE from the second epoch on, tests and dropout."""
    states = []
    for graphs in ("off", "auto"):
        engine = small_engine("ddan.dropout", "0.5", "ddan.cuda_graphs", graphs)
        engine.run(
            max_epoch=3, save_dir=str(tmp_path / graphs), print_freq=100, eval_freq=1,
            fixbase_epoch=1, open_layers=["neck", "classifier"],
        )  # fmt: skip
        states.append(all_state(engine))
    torch.testing.assert_close(*states, rtol=0, atol=0)
    # One for each epoch, of which the first has frozen layers, for a test follows on each.
    assert len(made) == 3
    assert len({each.replays for each in made}) == 1
    assert made[0].replays > 1


def test_it_is_recorded_anew_when_what_it_holds_has_changed(small_engine, made):
    engine = prepared(small_engine())
    batch = first_batch(engine)

    def recorded_now():
        before = len(made)
        for _ in range(2):
            engine.forward_backward(batch)
        return len(made) - before

    changes = [
        lambda: None,
        lambda: setattr(engine.objective.weights, "triplet", 0.5),
        lambda: next(engine.bare_model.encoder.parameters()).requires_grad_(False),
        lambda: setattr(engine.bare_model.dropout, "p", 0.25),
        lambda: engine.bare_model.neck.eval(),
        lambda: setattr(bias, "data", bias.data.clone()),
        lambda: setattr(engine, "epoch", 0),  # L_SE begins later
    ]
    bias = engine.bare_model.classifier.bias
    for change in changes:
        change()
        assert (recorded_now(), recorded_now()) == (1, 0)
    assert all(each.shared is None for each in made)


def test_each_size_of_batch_has_a_recording_and_they_share_their_memory(small_engine, made):
    engine = prepared(small_engine())
    batch = first_batch(engine)
    for images in range(8, 8 + 2 * MOST_SIZES):
        part = {name: batch[name][:images] for name in ("img", "pid", "dsetid")}
        for _ in range(2):
            engine.forward_backward(part)
    assert [each.replays for each in made] == [2] * MOST_SIZES
    assert [each.shared for each in made] == [None, *["memory"] * (MOST_SIZES - 1)]


def test_python_code_that_a_replay_would_miss_is_run(small_engine, made):
    engine = prepared(small_engine())
    batch, seen = first_batch(engine), []
    layer = engine.bare_model.mapping
    handles = [
        layer.register_forward_hook(lambda *_: seen.append("forward")),
        layer.register_full_backward_hook(lambda *_: seen.append("backward")),
        next(layer.parameters()).register_hook(lambda _: seen.append("parameter")),
    ]
    for handle in handles:
        engine.forward_backward(batch)
        handle.remove()
    assert seen.count("forward") == 1
    assert {"backward", "parameter"} <= set(seen)
    original = engine.losses
    engine.losses = lambda *batch: (seen.append("own"), original(*batch))[1]
    engine.forward_backward(batch)
    assert seen[-1] == "own"
    del engine.losses
    with torch.autocast("cpu", torch.bfloat16):
        engine.forward_backward(batch)
    with torch.autograd.set_detect_anomaly(True):
        engine.forward_backward(batch)
    engine.forward_backward([batch, batch])
    assert not made
    engine.forward_backward(batch)
    assert len(made) == 1


def test_measured_gradients_are_measured(small_engine, made):
    engine = prepared(small_engine("ddan.log_gradients", "2"))
    batch = first_batch(engine)
    summaries = []
    for engine.batch_idx in range(4):
        summaries.append(engine.forward_backward(batch))
    assert ["gradient_loss_id" in each for each in summaries] == [True, False, True, False]
    assert [each.replays for each in made] == [2]


def test_auto_records_where_it_fits(small_engine, on_a_gpu, monkeypatch):
    engine = small_engine()
    assert engine.runner.recorded is None
    assert on_a_gpu(engine)
    assert not on_a_gpu(engine, cuda_graphs="off")
    assert not on_a_gpu(engine, accumulate_steps=2)
    assert not on_a_gpu(engine, pool_device="cpu")
    with monkeypatch.context() as context:
        context.setenv("CUDA_LAUNCH_BLOCKING", "1")
        assert not on_a_gpu(engine)

    class Own(nn.Identity):
        pass

    engine.bare_model.encoder.append(Own())
    assert not on_a_gpu(engine)
    assert on_a_gpu(engine, cuda_graphs="on")
    for factory in FACTORIES.values():  # all layers of our networks are known
        model = factory(4, loss="ddan", pretrained=False)
        assert all(map(cuda_graphs.familiar, model.modules()))


def test_what_is_refused(small_engine, on_a_gpu):
    with pytest.raises(ValueError, match="'on' needs a GPU; write ddan.cuda_graphs 'auto'"):
        small_engine("ddan.cuda_graphs", "on")
    engine = small_engine()
    engine.model = nn.DataParallel(engine.model)
    engine.model.device_ids = [0, 1]
    assert not on_a_gpu(engine)
    with pytest.raises(ValueError, match="'on' is for one GPU; write cuda_graphs 'auto'"):
        on_a_gpu(engine, cuda_graphs="on")
    for other in ({"accumulate_steps": 2}, {"pool_device": "cpu"}):
        with pytest.raises(ValueError, match=f"{next(iter(other))}.* and cuda_graphs 'on' exclude"):
            DDANSettings(cuda_graphs="on", **other)
