"""Several batches for a step: the gradient of the global batch, and the loop around it."""

import signal

import pytest
import torch

from ddan_torchreid.data.loader import in_groups
from ddan_torchreid.integration import builder
from tests.distributed import launch
from tests.distributed.trainings import in_float64, parted
from tests.engines import first_batch, prepared, weights_and_pool
from tests.whole_runs import differences, names, send, state_of

PLAIN = (
    *("train.optim", "sgd", "train.lr", "0.1", "sgd.momentum", "0.0", "train.weight_decay", "0.0"),
    *("ddan.weight_triplet", "0.0", "train.batch_size", "24"),
)


def step(settings, batch, pieces):
    """Weights, pool and summary after one step in float64, whose batch norms use fixed numbers."""
    engine = prepared(builder.build(settings))
    in_float64(engine)
    engine.discriminator.eval()
    engine.runner.wrap_anew()
    summary = engine.forward_backward(parted(batch, pieces))
    return weights_and_pool(engine), summary


@pytest.mark.parametrize("processes", [1, 2])
def test_two_batches_make_the_step_of_the_joined_one(small_config, small_engine, processes):
    settings = small_config(*PLAIN)
    batch = first_batch(small_engine(*PLAIN))
    expected, joined = step(settings.clone(), batch, 1)
    if processes == 1:
        found = [step(settings.clone(), batch, 2)]
    else:
        found = launch.run(processes, step, settings.clone(), batch, 2)
    for tensors, summary in found:
        # A mean over classes, whose sizes differ between batches, is not that of the joined one.
        joined["balanced_acc_domain"] = summary["balanced_acc_domain"]
        assert summary == pytest.approx(joined, rel=1e-6)
        torch.testing.assert_close(dict(tensors), dict(expected), rtol=1e-9, atol=1e-11)
    start = weights_and_pool(prepared(builder.build(settings)))
    assert len(differences(start, expected)) > 150  # the step was no small matter


def test_the_pool_is_read_by_all_batches_before_it_is_updated(small_engine, monkeypatch):
    engine = prepared(small_engine())
    calls = []
    for name in ("nearest", "update"):
        original = getattr(engine.pool, name)
        monkeypatch.setattr(
            engine.pool, name, lambda *a, n=name, o=original: (calls.append(n), o(*a))[1]
        )
    engine.forward_backward([first_batch(engine) for _ in range(3)])
    assert calls == ["nearest", "nearest", "nearest", "update"]


def test_the_last_step_takes_what_is_left():
    loader = in_groups([1, 2, 3, 4, 5], 2)
    assert list(loader) == [[1, 2], [3, 4], [5]]
    assert len(loader) == 3
    assert in_groups([1], 1) == [1]


def test_a_run_stops_between_steps_and_goes_on(run, tmp_path, capfd):
    options = ("ddan.accumulate_steps", "3", "train.batch_size", "8")
    whole = run("whole", *options)
    batches = len(list(whole.train_loader))
    assert batches % 3  # the last step of an epoch has fewer batches
    with pytest.raises(SystemExit):
        run("parts", *options, after=1, action=send(signal.SIGTERM))
    assert names(tmp_path / "parts") == ["model.pth.tar-0+3"]
    parts = run("parts", *options, "model.resume", "auto")
    assert not differences(state_of(parts), state_of(whole))
    assert f"epoch: [1/3][2/{(batches + 2) // 3}]" in capfd.readouterr().out
    # Of the steps, not of the batches, the optimiser has taken one each.
    (taken,) = {int(each["step"]) for each in whole.optimizer.state.values()}
    assert taken == 3 * ((batches + 2) // 3)


def test_a_weight_and_a_share_are_rounded_together(small_engine):
    """As if each term began its backward pass with their product: 0.18 / 3 is no float32."""
    engine = prepared(small_engine())
    data = engine.parse_data_for_train(first_batch(engine))
    parameters = [*engine.model.parameters(), *engine.discriminator.parameters()]
    terms = engine.losses(*data).terms
    weights = engine.objective.named_weights() | {"loss_domain": 1.0}
    seeds = [term.new_full((), weights[name] * (1 / 3)) for name, term in terms.items()]
    torch.autograd.backward(list(terms.values()), seeds)
    expected = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    engine.runner.differentiate(*data, share=1 / 3)
    assert all(map(torch.equal, (parameter.grad for parameter in parameters), expected))
