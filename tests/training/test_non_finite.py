"""A loss or a gradient that is not finite stops in its own step, and says where it came from."""

import json

import pytest
import torch
from benchmarks.operators import OperatorCounter

from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from tests.engines import first_batch, prepared, spoil_gradient, weights_and_pool
from tests.whole_runs import differences, state_of


@pytest.mark.parametrize("term", ["loss_triplet", "loss_confusion", "loss_similarity"])
def test_a_gradient_that_is_not_finite_names_its_term(small_engine, monkeypatch, term):
    engine = prepared(small_engine())
    batch = first_batch(engine)
    engine.forward_backward(batch)
    spoil_gradient(monkeypatch, engine, term)
    before = weights_and_pool(engine)
    moments = str(engine.optimizer.state_dict())
    with pytest.raises(FloatingPointError, match=f"the gradient of {term} is not finite in epo"):
        engine.forward_backward(batch)
    assert not differences(weights_and_pool(engine), before)
    assert str(engine.optimizer.state_dict()) == moments


def test_the_discriminators_gradient_counts_too(small_engine):
    engine = prepared(small_engine())
    parameter = next(engine.discriminator.parameters())
    parameter.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(FloatingPointError, match="gradient of loss_domain is not finite"):
        engine.forward_backward(first_batch(engine))


def test_finding_the_term_leaves_the_running_statistics(small_engine, monkeypatch):
    """They move once in the step that failed, as its forward pass came before."""
    after = {}
    for spoilt in (False, True):
        engine = prepared(small_engine("train.lr", "0.0", "ddan.dropout", "0.0"))
        if spoilt:
            spoil_gradient(monkeypatch, engine, "loss_id")
            with pytest.raises(FloatingPointError):
                engine.forward_backward(first_batch(engine))
        else:
            engine.forward_backward(first_batch(engine))
        after[spoilt] = {name: buffer.clone() for name, buffer in engine.model.named_buffers()}
    assert not differences(after[True], after[False])


def test_large_but_finite_gradients_pass(small_engine):
    """The sum of the squares of these overflows; each of them does not."""
    engine = prepared(small_engine("train.optim", "sgd", "train.lr", "1e-30"))
    parameter = next(engine.model.parameters())
    parameter.register_hook(lambda gradient: torch.full_like(gradient, 1e30))
    engine.forward_backward(first_batch(engine))


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_images_of_the_batch_are_listed(small_config, tmp_path, monkeypatch, what):
    settings = small_config("data.save_dir", str(tmp_path / "log"))
    engine = builder.build(settings)
    step, seen = engine.forward_backward, []

    def spoil_second(data):
        seen.append(data)
        if len(seen) == 2 and what == "loss":
            with torch.no_grad():
                engine.model.classifier.bias[0] = float("nan")
        elif len(seen) == 2:
            spoil_gradient(monkeypatch, engine, "loss_id")
        return step(data)

    engine.forward_backward = spoil_second
    with pytest.raises(FloatingPointError) as error:
        engine.run(**schema.arguments(settings, "run"))
    path = tmp_path / "log" / "non-finite-epoch-1-batch-2.json"
    says = "loss_id is nan" if what == "loss" else "the gradient of loss_id is not finite"
    assert str(error.value).startswith(f"{says} in epoch 1, batch 2; training stopped")
    assert f"images are listed in {path}" in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    record = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert record["problem"] == says
    assert (record["epoch"], record["batch"]) == (1, 2)
    assert [image["path"] for image in record["images"]] == seen[1]["impath"]
    assert [image["pid"] for image in record["images"]] == seen[1]["pid"].tolist()
    assert ("nan" in record["losses"]["loss_id"]) is (what == "loss")
    assert torch.isfinite(torch.tensor(float(record["losses"]["loss_triplet"])))


def test_a_step_waits_for_the_device_once(small_engine, monkeypatch):
    engine = prepared(small_engine("train.optim", "sgd"))
    batch = first_batch(engine)
    lists, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda self: (lists.append(self.shape), tolist(self))[1]
    )
    with OperatorCounter() as counter:
        summary = engine.forward_backward(batch)
    assert len(lists) == 1
    assert lists[0] == (len(summary) + 1,)  # and whether all gradients are finite
    assert counter.waits == []


def test_a_run_that_failed_goes_on_from_its_checkpoint(small_config, tmp_path, monkeypatch):
    def build(*options):
        settings = small_config("data.save_dir", str(tmp_path / "log"), *options)
        return settings, builder.build(settings)

    settings, engine = build()
    step, steps = engine.forward_backward, []

    def spoil_later(data):
        steps.append(1)
        if len(steps) == len(engine.train_loader) + 2:
            spoil_gradient(monkeypatch, engine, "loss_id")
        return step(data)

    engine.forward_backward = spoil_later
    with pytest.raises(FloatingPointError, match="epoch 2, batch 2"):
        engine.run(**schema.arguments(settings, "run"))
    settings, resumed = build("model.resume", "auto")
    resumed.run(**schema.arguments(settings, "run"))
    settings, whole = build("data.save_dir", str(tmp_path / "whole"))
    whole.run(**schema.arguments(settings, "run"))
    assert not differences(state_of(resumed), state_of(whole))
