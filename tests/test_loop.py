"""The loop around the step: stopping and going on, exactly; which checkpoints are written."""

import os
import signal
from pathlib import Path

import pytest
import torch
import torchreid

from ddan_torchreid import checkpoint, config, resuming, testing, training
from ddan_torchreid.checkpoint_files import Keeper, newest
from ddan_torchreid.state_files import read, write

EPOCHS = 3


def differences(one, other, key="state"):
    """Keys under which two states differ, in any bit."""
    if isinstance(one, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [key]
    if isinstance(one, dict) and one.keys() == other.keys():
        return [k for name in one for k in differences(one[name], other[name], f"{key}.{name}")]
    if isinstance(one, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [k for n, (a, b) in pairs for k in differences(a, b, f"{key}.{n}")]
    return [] if one == other else [key]


def state_of(engine):
    """All that training has changed."""
    return {
        name: [engine._models[name].state_dict()]
        + [each.state_dict() for each in (engine._optims[name], engine._scheds[name]) if each]
        for name in engine.get_model_names()
    }


@pytest.fixture
def run(small_config, tmp_path):
    """Trains by the command line's way; an action may be taken after some step."""

    def train(folder, *options, after=None, action=None):
        settings = small_config(
            *("train.max_epoch", str(EPOCHS), "data.save_dir", str(tmp_path / folder)),
            *("data.height", "32", "data.width", "16", "train.batch_size", "16"),
            *("data.sources", "['rendered_mall', 'rendered_film']", *options),
        )
        engine = training.build(settings)
        step, steps = engine.forward_backward, 0

        def counted(data):
            nonlocal steps
            summary = step(data)
            steps += 1
            if steps == after:
                action()
            return summary

        engine.forward_backward = counted
        engine.run(**config.arguments(settings, "run"))
        return engine

    return train


def send(number):
    return lambda: os.kill(os.getpid(), number)


def names(folder, part="model"):
    return sorted(path.name for path in Path(folder, part).iterdir())


@pytest.mark.parametrize(
    ("workers", "sampler"), [("0", "MultiDomainIdentitySampler"), ("1", "RandomIdentitySampler")]
)
def test_a_run_stopped_within_epochs_ends_as_an_uninterrupted_one(
    run, tmp_path, workers, sampler, capfd
):
    options = ("data.workers", workers, "sampler.train_sampler", sampler)
    whole = run("whole", *options)
    per_epoch = len(list(whole.train_loader))
    resume = ("model.resume", "auto")
    # In the first epoch, at the last batch of an epoch, and again one step after going on.
    stops = [(2, signal.SIGTERM, 0), (per_epoch - 2, signal.SIGINT, 130), (1, signal.SIGTERM, 0)]
    for after, number, status in stops:
        with pytest.raises(SystemExit) as stopped:
            run("parts", *options, *resume, after=after, action=send(number))
        assert stopped.value.code == status
    assert "Stopped by SIGTERM after epoch 1 and 1 batches" in capfd.readouterr().out
    assert names(tmp_path / "parts") == ["model.pth.tar-1", "model.pth.tar-1+1"]
    parts = run("parts", *options, *resume)
    assert not differences(state_of(parts), state_of(whole))
    assert [each.mean_ap for each in parts.scores.values()] == [
        each.mean_ap for each in whole.scores.values()
    ]
    last = [
        read(tmp_path / each / "model" / f"model.pth.tar-{EPOCHS}") for each in ("whole", "parts")
    ]
    for state in last:
        del state["run"], state["ddan"]["configuration"]
    assert not differences(*last)
    # The first part of the second epoch was logged once, and at its own place.
    output = capfd.readouterr().out
    assert f"epoch: [2/{EPOCHS}][2/{len(whole.train_loader)}]" in output
    assert f"epoch: [2/{EPOCHS}][1/" not in output


def test_within_an_epoch_another_batch_size_is_refused(run, small_config, tmp_path):
    with pytest.raises(SystemExit):
        run("log", after=2, action=send(signal.SIGTERM))
    (path,) = tmp_path.glob("log/model/model.pth.tar-*")
    same = (
        *("train.max_epoch", str(EPOCHS), "data.height", "32", "data.width", "16"),
        *("data.sources", "['rendered_mall', 'rendered_film']"),
        *("model.resume", str(path), "train.batch_size"),
    )
    assert training.build(small_config(*same, "16")).resumed.position.batch == 2
    with pytest.raises(ValueError, match="of 16 images, now 8; write train.batch_size 16") as error:
        training.build(small_config(*same, "8"))
    assert "\n" not in str(error.value)
    # One of a whole epoch begins no batch in the middle, and older ones do not say the size.
    for changes in ({"batch": 0}, {"batch": 2, "batch_size": None}):
        for file in tmp_path.glob(f"log/*/{path.name}"):
            state = read(file) | changes
            write({key: value for key, value in state.items() if value is not None}, file)
        resumed = training.build(small_config(*same, "8")).resumed
        assert resumed.position.batch == changes["batch"]


def test_without_a_seed_a_run_goes_on_at_the_saved_batch(small_config, tmp_path):
    def engine():
        built = training.build(small_config("data.height", "32", "data.width", "16"))
        object.__setattr__(built.settings, "seed", None)
        built.train_loader.sampler.order_seed = None
        return built

    torch.manual_seed(1)
    whole = engine()
    torch.manual_seed(2)
    whole.run(max_epoch=2, save_dir=str(tmp_path / "whole"), print_freq=100)
    parts = engine()
    step, steps = parts.forward_backward, []
    parts.forward_backward = lambda data: (steps.append(1), step(data), send(signal.SIGTERM)())[1]
    torch.manual_seed(2)
    with pytest.raises(SystemExit):
        parts.run(max_epoch=2, save_dir=str(tmp_path / "parts"), print_freq=100)
    rest = engine()
    start = resuming.resume(rest, newest(tmp_path / "parts"))
    rest.run(max_epoch=2, start_epoch=start, save_dir=str(tmp_path / "parts"), print_freq=100)
    # The sampler has a seed of its own, and without workers all else was drawn in this process.
    assert not differences(state_of(rest), state_of(whole))


def test_torchreids_own_loader_begins_the_epoch_again(run, tmp_path):
    with pytest.raises(SystemExit):
        run("log", after=8, action=send(signal.SIGTERM))
    (path,) = tmp_path.glob("log/model/model.pth.tar-1+*")
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 20, "ddan", False)
    assert torchreid.utils.resume_from_checkpoint(str(path), model) == 1


def test_a_checkpoint_each_epoch_of_which_the_last_stay(run, tmp_path):
    run("log", "ddan.keep_checkpoints", "2")
    for part in ("model", "discriminator", "identity_pool"):
        expected = ["model-best.pth.tar", "model.pth.tar-2", "model.pth.tar-3"]
        assert names(tmp_path / "log", part) == expected
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
    assert sorted(path.name for path in written if path.parent.name == "model") == [
        f"model.pth.tar-{n}" for n in (1, 2, 3)
    ]
    assert len(set(written)) == len(written) == 9
    assert names(tmp_path / "log") == ["model-best.pth.tar", "model.pth.tar-2", "model.pth.tar-3"]
    tested = read(tmp_path / "log" / "model" / "model.pth.tar-2")
    targets = tested["ddan"]["scores"]
    assert set(targets) == {"rendered_snow", "rendered_night"}
    mean = sum(scores["mAP"] for scores in targets.values()) / 2
    assert tested["ddan"]["mean_ap"] == pytest.approx(mean)
    assert tested["rank1"] == pytest.approx(sum(s["rank-1"] for s in targets.values()) / 2)


def test_the_best_by_mean_map_is_kept_over_a_restart(run, tmp_path, monkeypatch):
    figures = iter([0.3, 0.5, 0.4])
    means = checkpoint.mean_scores
    monkeypatch.setattr(
        checkpoint, "mean_scores", lambda scores: means(scores) | {"mAP": next(figures)}
    )
    options = ("test.eval_freq", "1")
    with pytest.raises(SystemExit):
        # In the first step of the third epoch: 0.3 and 0.5 are known.
        run("log", *options, after=11, action=send(signal.SIGTERM))
    folder = tmp_path / "log" / "model"
    assert read(folder / "model-best.pth.tar")["epoch"] == 2
    run("log", *options, "model.resume", "auto")
    assert read(folder / "model-best.pth.tar")["epoch"] == 2
    assert read(folder / "model.pth.tar-3")["ddan"]["mean_ap"] == 0.4
    best = read(folder / "model-best.pth.tar")
    assert not differences(best, read(folder / "model.pth.tar-2"))
    assert Keeper(tmp_path / "log", best["run"], checkpoint.Position(3), 3).best == 0.5


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


def test_a_signal_in_a_test_repeats_the_test_and_nothing_else(run, tmp_path, monkeypatch):
    whole = run("whole", "test.eval_freq", "1")
    extract, calls = testing.extract_features, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:  # the gallery of the first target
            send(signal.SIGTERM)()
        return extract(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(testing, "extract_features", interrupted)
        with pytest.raises(SystemExit) as stopped:
            run("parts", "test.eval_freq", "1")
    assert stopped.value.code == 0
    state = read(tmp_path / "parts" / "model" / "model.pth.tar-1")
    assert state["ddan"]["untested"]
    assert "scores" not in state["ddan"]
    parts = run("parts", "test.eval_freq", "1", "model.resume", "auto")
    assert not differences(state_of(parts), state_of(whole))
    for n in (1, 2, 3):
        a, b = (
            read(tmp_path / each / "model" / f"model.pth.tar-{n}")["ddan"]["scores"]
            for each in ("whole", "parts")
        )
        assert a == b


def test_an_epoch_is_not_lost_when_its_test_fails(run, tmp_path, monkeypatch):
    def fail(*_):
        raise FloatingPointError("features are not finite")

    with monkeypatch.context() as patch:
        patch.setattr(testing, "extract_features", fail)
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
    cosine = ("train.lr_scheduler", "cosine", "train.max_epoch")
    run("cosine", *cosine, "1")
    with pytest.raises(ValueError, match=r"ends, was 1, now 3; resume with the same train.max"):
        run("cosine", *cosine, "3", "model.resume", "auto")


def test_handlers_are_there_for_the_run_only(run):
    own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    seen = {}
    run("log", after=1, action=lambda: seen.update({n: signal.getsignal(n) for n in own}))
    assert all(seen[number] != own[number] for number in own)
    assert {number: signal.getsignal(number) for number in own} == own


def test_a_second_interrupt_stops_at_once(run, tmp_path):
    def twice():
        send(signal.SIGINT)()
        send(signal.SIGINT)()

    with pytest.raises(KeyboardInterrupt):
        run("log", after=2, action=twice)
    assert newest(tmp_path / "log") is None


def test_what_else_has_state_is_saved_too(small_engine, tmp_path):
    class Scaler:
        value = 1.0

        def state_dict(self):
            return {"value": self.value}

        def load_state_dict(self, state):
            self.value = state["value"]

    engine = small_engine()
    engine.extra_states["scaler"] = Scaler()
    engine.extra_states["scaler"].value = 8.0
    engine.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    other = small_engine()
    other.extra_states["scaler"] = Scaler()
    resuming.resume(other, tmp_path / "model" / "model.pth.tar-1")
    assert other.extra_states["scaler"].value == 8.0
