"""A run that a signal stopped goes on exactly where it was."""

import signal

import pytest
import torch
import torchreid

from ddan_torchreid.evaluation import evaluation_loop
from ddan_torchreid.integration import builder
from ddan_torchreid.system.state_files import read, write
from ddan_torchreid.training import resuming
from ddan_torchreid.training.checkpoint_store import newest
from tests.whole_runs import EPOCHS, differences, names, send, state_of


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
    # torchreid's own loader begins the epoch again.
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 20, "ddan", False)
    path = str(tmp_path / "parts" / "model" / "model.pth.tar-1+1")
    assert torchreid.utils.resume_from_checkpoint(path, model) == 1
    parts = run("parts", *options, *resume)
    assert not differences(state_of(parts), state_of(whole))
    assert [each.mean_ap for each in parts.scores.values()] == [
        each.mean_ap for each in whole.scores.values()
    ]
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
        *("data.sources", "['mall', 'film']"),
        *("model.resume", str(path), "train.batch_size"),
    )
    with pytest.raises(ValueError, match="of 16 images, now 8; write train.batch_size 16") as error:
        builder.build(small_config(*same, "8"))
    assert "\n" not in str(error.value)
    # One of a whole epoch begins no batch in the middle, and older ones do not say the size.
    for changes in ({"batch": 0}, {"batch": 2, "batch_size": None}):
        for file in tmp_path.glob(f"log/*/{path.name}"):
            state = read(file) | changes
            write({key: value for key, value in state.items() if value is not None}, file)
        resumed = builder.build(small_config(*same, "8")).resumed
        assert resumed.position.batch == changes["batch"]


def test_without_a_seed_a_run_goes_on_at_the_saved_batch(small_config, tmp_path):
    def engine():
        built = builder.build(small_config("data.height", "32", "data.width", "16"))
        object.__setattr__(built.settings, "seed", None)
        built.train_loader.sampler.order_seed = None
        return built

    torch.manual_seed(1)
    whole = engine()
    torch.manual_seed(2)
    whole.run(max_epoch=2, save_dir=str(tmp_path / "whole"), print_freq=100)
    parts = engine()
    step = parts.forward_backward
    parts.forward_backward = lambda data: (step(data), send(signal.SIGTERM)())[0]
    torch.manual_seed(2)
    with pytest.raises(SystemExit):
        parts.run(max_epoch=2, save_dir=str(tmp_path / "parts"), print_freq=100)
    rest = engine()
    start = resuming.resume(rest, newest(tmp_path / "parts"))
    rest.run(max_epoch=2, start_epoch=start, save_dir=str(tmp_path / "parts"), print_freq=100)
    # The sampler has a seed of its own, and without workers all else was drawn in this process.
    assert not differences(state_of(rest), state_of(whole))


def test_a_signal_in_a_test_repeats_the_test_and_nothing_else(run, tmp_path, monkeypatch):
    whole = run("whole", "test.eval_freq", "1")
    extract, calls = evaluation_loop.extract_features, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:  # the gallery of the first target
            send(signal.SIGTERM)()
        return extract(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_loop, "extract_features", interrupted)
        with pytest.raises(SystemExit) as stopped:
            run("parts", "test.eval_freq", "1")
    assert stopped.value.code == 0
    assert read(tmp_path / "parts" / "model" / "model.pth.tar-1")["ddan"]["untested"]
    parts = run("parts", "test.eval_freq", "1", "model.resume", "auto")
    assert not differences(state_of(parts), state_of(whole))
    for n in (1, 2, 3):
        a, b = (
            read(tmp_path / each / "model" / f"model.pth.tar-{n}")["ddan"]["scores"]
            for each in ("whole", "parts")
        )
        assert a == b
