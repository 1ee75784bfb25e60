"""The training step on a GPU: what it computes, in which precision, and how often it waits."""

import warnings

import pytest
import torch

from ddan_torchreid.method.identity_pool import IdentityPool
from ddan_torchreid.method.losses import similarity_enhancement_loss
from tests.engines import first_batch, prepared

SGD = ("ddan.dropout", "0.0", "train.optim", "sgd", "train.lr", "0.01")
TERMS = ("loss_id", "loss_triplet", "loss_confusion", "loss_domain")


def on(device, small_engine, *options):
    engine = small_engine("use_gpu", str(device == "cuda"), *SGD, *options)
    engine = prepared(engine)
    assert engine.device.type == device
    return engine


def test_a_step_is_that_of_a_cpu(small_engine):
    found = []
    for device in ("cpu", "cuda"):
        engine = on(device, small_engine, "ddan.amp", "off")
        for module in (engine.model, engine.discriminator, engine.pool):
            module.double()  # or rounding, which batch norms of few values magnify, is all one sees
        batch = first_batch(engine)
        summary = engine.forward_backward(batch | {"img": batch["img"].double()})
        gradients = {name: p.grad.cpu() for name, p in engine.bare_model.named_parameters()}
        found.append((summary, gradients, engine.pool.representations.cpu()))
    (expected, wanted, rows), (summary, gradients, pool) = found
    for name in (*TERMS, "loss_similarity"):
        assert summary[name] == pytest.approx(expected[name], rel=1e-5), name
    for name, gradient in wanted.items():
        scale = max(float(gradient.abs().max()), 1e-6)
        assert torch.allclose(gradients[name], gradient, rtol=0, atol=1e-6 * scale), name
    torch.testing.assert_close(pool, rows, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("amp", ["auto", "bf16", "fp16"])
def test_half_precision_is_near_float32(small_engine, full_precision, amp):
    summaries = []
    for chosen in ("off", amp):
        engine = on("cuda", small_engine, "ddan.amp", chosen)
        summaries.append(engine.forward_backward(first_batch(engine)))
    half = torch.float16 if amp == "fp16" else torch.bfloat16
    assert engine.bare_model.autocast_dtype is half
    assert engine.runner.scaler.is_enabled() == (amp == "fp16")
    assert all(p.dtype == torch.float32 for p in engine.bare_model.parameters())
    for name in TERMS:
        assert summaries[1][name] == pytest.approx(summaries[0][name], rel=0.03), name


@pytest.mark.parametrize("graphs", ["off", "auto"])
@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_a_step_waits_for_the_device_once(small_engine, amp, graphs):
    engine = on("cuda", small_engine, "ddan.amp", amp, "ddan.cuda_graphs", graphs)
    batch = first_batch(engine)
    for _ in range(3):
        engine.forward_backward(batch)
    assert waits(lambda: engine.forward_backward(batch)) == 1


def test_the_pool_never_waits_for_the_device():
    domains = torch.arange(600) % 3
    pool = IdentityPool(domains, 16, central_domain=0).cuda()
    features = torch.randn(64, 16, device="cuda", requires_grad=True)
    pids = torch.randint(0, 600, (64,), device="cuda")
    of = pool.identity_domains[pids]

    def step():
        indices, valid = pool.nearest(features, of, 8, pids)
        similarity_enhancement_loss(features, pool.rows(indices), 2e-3, valid=valid).backward()
        pool.update(features, pids)

    pool.start_epoch()
    assert waits(step) == 0
    assert waits(lambda: features.sum().item()) == 1  # what is counted is counted


def test_the_same_images_make_the_same_pool_bit_for_bit():
    features = torch.randn(96, 1280, device="cuda")
    pids = torch.randint(0, 12, (96,), device="cuda")
    pools = []
    for _ in range(5):
        pool = IdentityPool(torch.arange(12) % 3, 1280, central_domain=0).cuda()
        for _ in range(2):
            pool.start_epoch()
            for part in (slice(0, 64), slice(64, 96)):
                pool.update(features[part], pids[part])
        pools.append(pool.representations)
    assert all(torch.equal(each, pools[0]) for each in pools)


def waits(call):
    """How often the host waits for the GPU while something is called."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in caught)
