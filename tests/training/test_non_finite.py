"""A loss or a gradient that is not finite stops in its own step, and says where it came from."""

import json

import pytest
import torch
from benchmarks.operators import OperatorCounter

from ddan_torchreid.config import schema
from ddan_torchreid.engine import ImageDDANEngine
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
    after = []
    for spoilt in (False, True):
        engine = prepared(small_engine("train.lr", "0.0", "ddan.dropout", "0.0"))
        if spoilt:
            spoil_gradient(monkeypatch, engine, "loss_id")
            with pytest.raises(FloatingPointError):
                engine.forward_backward(first_batch(engine))
        else:
            engine.forward_backward(first_batch(engine))
        after.append([buffer.clone() for buffer in engine.model.buffers()])
    assert not differences(*after)


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("accumulated", ["1", "3"])
def test_the_images_of_the_batch_are_listed(small_config, tmp_path, monkeypatch, accumulated, what):
    """With three batches a step, those of the one at fault: here the second."""
    settings = small_config("ddan.accumulate_steps", accumulated, "train.batch_size", "12")
    engine = builder.build(settings)
    seen, parse, losses, before = [], engine.parse_data_for_train, engine.losses, []

    def noted(data):
        seen.append(data)
        return parse(data)

    def spoil_second(images, *labels):
        if len(seen) == 2:
            before.extend(weights_and_pool(engine))
        if len(seen) == 2 and what == "loss":
            images = images * float("inf")
        with monkeypatch.context() as spoilt:
            if what == "gradient" and len(seen) > 1 and seen[-1] is seen[1]:
                spoil_gradient(spoilt, engine, "loss_id")  # also when the term is looked for
            return losses(images, *labels)

    engine.parse_data_for_train, engine.losses = noted, spoil_second
    with pytest.raises(FloatingPointError) as error:
        engine.run(**schema.arguments(settings, "run"))
    batch = 2 if accumulated == "1" else 1
    path = tmp_path / "log" / f"non-finite-epoch-1-batch-{batch}.json"
    record = json.loads(path.read_text(), parse_constant=pytest.fail)
    says = "loss_id is nan" if what == "loss" else "the gradient of loss_id is not finite"
    assert record["problem"].startswith(says)
    assert f"{record['problem']} in epoch 1, batch {batch}; training stopped" in str(error.value)
    assert f"images are listed in {path}" in str(error.value)
    assert "\n" not in str(error.value)
    assert (record["epoch"], record["batch"]) == (1, batch)
    assert [image["path"] for image in record["images"]] == seen[1]["impath"]
    assert [image["pid"] for image in record["images"]] == seen[1]["pid"].tolist()
    assert ("nan" in record["losses"]["loss_id"]) is (what == "loss")
    assert not differences(weights_and_pool(engine), before)


@pytest.mark.filterwarnings("ignore:amp 'fp16' takes many times as long")
@pytest.mark.parametrize(("amp", "batches"), [("off", 1), ("fp16", 2)])
def test_a_step_waits_for_the_device_once(small_engine, monkeypatch, amp, batches):
    options = ("ddan.amp", amp, "ddan.accumulate_steps", str(batches))
    engine = prepared(small_engine("train.optim", "sgd", *options))
    batch = first_batch(engine)
    lists, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda self: (lists.append(self.shape), tolist(self))[1]
    )
    with OperatorCounter() as counter:
        engine.forward_backward([batch] * batches if batches > 1 else batch)
    assert len(lists) == 1
    assert counter.waits == []


def test_a_run_that_failed_goes_on_from_its_checkpoint(run, monkeypatch):
    whole = run("whole")
    losses = ImageDDANEngine.losses

    def spoilt(self, images, *labels):
        bad = (self.epoch, self.batch_idx) == (1, 1)
        return losses(self, images * float("nan") if bad else images, *labels)

    with monkeypatch.context() as patch:
        patch.setattr(ImageDDANEngine, "losses", spoilt)
        with pytest.raises(FloatingPointError, match="epoch 2, batch 2"):
            run("parts")
    resumed = run("parts", "model.resume", "auto")
    assert not differences(state_of(resumed), state_of(whole))
