"""Warm-up: the rate of every step, beside schedulers, skipped steps and stopped runs."""

import signal
from unittest.mock import Mock

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from tests.engines import first_batch, prepared
from tests.whole_runs import differences, send, state_of

STEPS = 10  # of eight an epoch, so that the warm-up ends in the second one
WARM_UP = ("ddan.warmup_steps", str(STEPS))
RATE = ("train.optim", "sgd", "train.lr", "0.1")


def rates(small_config, *options):
    """Rates of the groups of both optimisers at each step of a training, and those printed."""
    settings = small_config(
        *("data.height", "32", "data.width", "16", "train.batch_size", "16"),
        *("data.sources", "['mall', 'film']", "train.max_epoch", "3"),
        *("train.staged_lr", "True", "train.new_layers", "['neck', 'classifier']", *RATE, *options),
    )
    engine = builder.build(settings)
    seen: dict[str, list] = {"model": [], "discriminator": []}
    for name, steps in seen.items():
        engine._optims[name].register_step_pre_hook(
            lambda optimizer, *_, steps=steps: steps.append(
                [group["lr"] for group in optimizer.param_groups]
            )
        )
    engine.run(**schema.arguments(settings, "run"))
    log = EventAccumulator(settings.data.save_dir, {"scalars": 0})
    log.Reload()
    return *seen.values(), [event.value for event in log.Scalars("Train/lr")]


@pytest.mark.parametrize(
    "schedule",
    [
        ("cosine",),
        ("multi_step", "train.stepsize", "[1, 2]"),
        ("single_step", "train.stepsize", "[1]"),
    ],
    ids=lambda words: words[0],
)
def test_the_rates_rise_to_what_the_scheduler_says(small_config, tmp_path, schedule):
    options = ("train.lr_scheduler", *schedule)
    without, _, _ = rates(small_config, *options, "data.save_dir", str(tmp_path / "without"))
    groups, discriminator, written = rates(small_config, *options, *WARM_UP)
    assert len(without) == len(groups)
    assert len(groups) / 3 < STEPS < len(groups) * 2 / 3
    assert without[0] == pytest.approx([0.01, 0.1])
    # To the last bit: what the scheduler computes is not touched.
    assert groups == [
        [rate * min(1.0, step / STEPS) for rate in both] for step, both in enumerate(without, 1)
    ]
    assert discriminator == [[new] for _, new in groups]
    assert written == pytest.approx([new for _, new in groups], rel=1e-6)


def test_a_run_stopped_in_its_warm_up_goes_on_bit_for_bit(run):
    options = (*RATE, *WARM_UP, "ddan.accumulate_steps", "2", "train.batch_size", "8")
    whole = run("whole", *options)
    with pytest.raises(SystemExit):
        run("parts", *options, after=3, action=send(signal.SIGTERM))
    parts = run("parts", *options, "model.resume", "auto")
    assert parts.runner.warmup.taken == whole.runner.warmup.taken > STEPS  # steps, not batches
    assert not differences(state_of(parts), state_of(whole))


@pytest.mark.filterwarnings("ignore:amp 'fp16' takes many times as long")
def test_steps_that_float16_skips_do_not_count(small_engine):
    engine = prepared(small_engine("ddan.amp", "fp16", *WARM_UP))
    engine.runner.scaler.load_state_dict({**engine.runner.scaler.state_dict(), "scale": 2.0**12})
    batch = first_batch(engine)
    skipped = [engine.forward_backward(batch)["skipped"] > 0 for _ in range(10)]
    assert skipped[0]
    assert not skipped[-1]
    assert engine.runner.warmup.taken == skipped.count(False)
    assert engine.runner.scaler.get_scale() == 2.0 ** (12 - skipped.count(True))
    assert engine.runner.scaler.overflows == 0  # a sound step forgets those before it
    rate = engine.optimizer.param_groups[-1]["lr"]
    assert engine.get_current_lr() == rate * min(1.0, engine.runner.warmup.taken / STEPS)


def test_a_step_that_fails_leaves_the_rate(small_engine, monkeypatch):
    engine = prepared(small_engine(*RATE, *WARM_UP))
    monkeypatch.setattr(engine.optimizer_d, "step", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        engine.forward_backward(first_batch(engine))
    assert engine.optimizer.param_groups[0]["lr"] == 0.1
    assert engine.runner.warmup.taken == 0
