"""Mixed precision: what is computed in which type, and the scaler of float16's gradients."""

import math
import signal

import pytest
import torch

from ddan_torchreid.training.acceleration import precision
from ddan_torchreid.training.acceleration.precision import autocast_dtype
from tests.engines import first_batch, prepared, reached, spoil_gradient, weights, weights_and_pool
from tests.whole_runs import differences, send, state_of

CPU, GPU = torch.device("cpu"), torch.device("cuda")


# A CPU computes in float16 too, if slowly, of which it warns.
pytestmark = pytest.mark.filterwarnings("ignore:amp 'fp16' takes many times as long")
FP16 = ("ddan.amp", "fp16")


@pytest.mark.parametrize(
    ("amp", "device", "has_bfloat16", "dtype"),
    [
        ("auto", GPU, True, torch.bfloat16),
        ("auto", GPU, False, None),
        ("auto", CPU, False, None),
        ("off", GPU, True, None),
        ("bf16", CPU, False, torch.bfloat16),
        ("bf16", GPU, False, "write amp 'fp16' or 'off'"),
        ("fp16", GPU, False, torch.float16),
        ("fp16", CPU, False, torch.float16),
    ],
)
def test_the_type_follows_the_device(monkeypatch, amp, device, has_bfloat16, dtype):
    asked = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda **how: asked.append(how) or has_bfloat16
    )
    if isinstance(dtype, str):
        with pytest.raises(ValueError, match=dtype):
            autocast_dtype(amp, device)
    else:
        assert autocast_dtype(amp, device) is dtype
    # A GPU that only emulates bfloat16 is slower with it than without.
    assert all(how == {"including_emulation": False} for how in asked)


def test_float16_on_a_cpu_is_a_warning():
    with pytest.warns(UserWarning, match=r"on a CPU; write amp 'auto', unless"):
        autocast_dtype("fp16", CPU)


def test_only_encoder_and_classifier_compute_in_half_precision(small_engine):
    engine = prepared(small_engine("ddan.amp", "bf16", "train.optim", "sgd", "train.lr", "0.05"))
    seen = {}
    for name, part in engine.model.named_children():
        part.register_forward_hook(
            lambda _, args, output, name=name: seen.update({name: (args[0].dtype, output.dtype)})
        )
    images, pids, domains = engine.parse_data_for_train(first_batch(engine))
    found = engine.losses(images, pids, domains)
    full, half = torch.float32, torch.bfloat16
    assert seen["encoder"] == seen["classifier"] == (full, half)
    assert seen["mapping"] == seen["neck"] == (full, full)
    assert found.features.dtype == torch.float32
    assert {each.dtype for each in found.terms.values()} == {torch.float64}
    assert reached(found.l1, engine) == {"encoder", "mapping", "head"}
    assert reached(found.l2, engine) == {"mapping"}
    assert reached(found.l3, engine) == {"discriminator"}

    engine.forward_backward(first_batch(engine))
    after = weights_and_pool(engine)
    assert {each.dtype for _, each in after if each.is_floating_point()} == {torch.float32}
    # Test-time features are those of the same weights in full precision, bit for bit.
    engine.set_model_mode("eval")
    with torch.no_grad():
        tested = engine.model(images)
        engine.model.autocast_dtype = None
        assert torch.equal(engine.model(images), tested)
    assert tested.dtype == torch.float32


def test_the_terms_are_near_those_of_full_precision(small_engine):
    summaries = []
    for amp in ("off", "bf16", "fp16"):
        engine = prepared(small_engine("ddan.amp", amp, "ddan.dropout", "0.0"))
        summaries.append(engine.forward_backward(first_batch(engine)))
    # Rounding alone: over four seeds up to 4.7 % in bfloat16 and 1.7 % in float16.
    for name in ("loss_id", "loss_triplet", "loss_confusion", "loss_domain"):
        assert summaries[1][name] == pytest.approx(summaries[0][name], rel=0.06), name
        assert summaries[2][name] == pytest.approx(summaries[0][name], rel=0.02), name


def test_an_overflow_skips_the_step_and_halves_the_scale(small_engine, monkeypatch):
    engine = prepared(small_engine(*FP16, "train.optim", "sgd"))
    engine.runner.scaler.load_state_dict({**engine.runner.scaler.state_dict(), "scale": 256.0})
    batch = first_batch(engine)
    assert engine.forward_backward(batch)["skipped"] == 0
    moments = str(engine.optimizer.state_dict()), str(engine.optimizer_d.state_dict())
    before = weights(engine)
    monkeypatch.setattr(precision, "MOST_OVERFLOWS", 2)
    with monkeypatch.context() as spoilt:
        spoil_gradient(spoilt, engine, "loss_id")
        for scale in (128.0, 64.0):
            summary = engine.forward_backward(batch)
            assert (summary["skipped"], engine.runner.scaler.get_scale()) == (100, scale)
            assert all(math.isfinite(value) for value in summary.values())
        with pytest.raises(FloatingPointError, match="gradient of loss_id is not finite"):
            engine.forward_backward(batch)
    assert (str(engine.optimizer.state_dict()), str(engine.optimizer_d.state_dict())) == moments
    assert not differences(weights(engine), before)


def test_a_loss_that_is_not_finite_is_no_matter_of_the_scale(small_engine):
    engine = prepared(small_engine(*FP16))
    with torch.no_grad():
        engine.model.classifier.bias[0] = float("nan")
    with pytest.raises(FloatingPointError, match="loss_id is nan"):
        engine.forward_backward(first_batch(engine))


def test_the_scaler_is_part_of_a_checkpoint(run):
    """The first steps overflow and are skipped, so a lost scale would change what follows."""
    whole = run("whole", *FP16)
    assert whole.runner.scaler.get_scale() < 2.0**16
    with pytest.raises(SystemExit):
        run("parts", *FP16, after=2, action=send(signal.SIGTERM))
    parts = run("parts", *FP16, "model.resume", "auto")
    assert not differences(state_of(parts), state_of(whole))
    assert parts.runner.scaler.state_dict() == whole.runner.scaler.state_dict()
