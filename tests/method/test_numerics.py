"""Extreme but finite numbers: every loss and gradient stays finite, in the functions and a step."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddan_torchreid import IdentityPool
from ddan_torchreid.method import losses

SMALL = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# From log-uniform to the bounds named by the settings and the recipe.
TEMPERATURES = st.floats(-5, 1).map(lambda power: 10.0**power) | st.sampled_from([1e-8, 2e-3])
KINDS = ("normal", "zero", "identical", "huge", "tiny", "one zero", "one hot")


def make_features(kind: str, images: int, dim: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(images, dim, generator=generator, dtype=torch.float64)
    if kind == "zero":
        features.zero_()
    elif kind == "identical":
        features[:] = features[0].clone()
    elif kind == "huge":
        # The largest that neither half precision nor a squared distance in float32 overflows.
        features *= 1e4
    elif kind == "tiny":
        features *= 1e-7
    elif kind == "one zero":
        features[0] = 0
    elif kind == "one hot":
        features[:] = 0
        features[:, 0] = 3e4
    return features.to(dtype).requires_grad_()


@st.composite
def batches(draw):
    domains = draw(st.integers(1, 4))
    images = draw(st.integers(2, 9))
    identities = draw(st.integers(domains, 12))
    owners = torch.arange(identities) % domains
    # Nothing is said of which identities and domains the batch has: often it lacks some.
    pids = torch.tensor(draw(st.lists(st.integers(0, identities - 1), min_size=images)))[:images]
    features = make_features(
        draw(st.sampled_from(KINDS)),
        images,
        draw(st.sampled_from([1, 2, 32])),
        draw(st.sampled_from(DTYPES)),
        draw(st.integers(0, 99)),
    )
    return features, pids, owners


@SMALL
@given(
    batch=batches(),
    temperature=TEMPERATURES,
    k=st.integers(1, 15),
    central=st.sampled_from([None, 0]),
    exclude=st.booleans(),
    reduction=st.sampled_from(["mean", "eq8"]),
    log=st.sampled_from(["exact", "released"]),
    epochs=st.integers(0, 3),
)
def test_pool_and_similarity(batch, temperature, k, central, exclude, reduction, log, epochs):
    features, pids, owners = batch
    pool = IdentityPool(owners, features.shape[1], central, exclude_own_identity=exclude)
    for _ in range(epochs):
        pool.start_epoch()
        pool.update(features.detach(), pids)
    assert torch.isfinite(pool.representations).all()
    indices, valid = pool.nearest(features.detach(), owners[pids], k, pids)
    assert indices.shape == valid.shape == (len(pids), k)
    assert pool.seen[indices[valid]].all()
    loss = losses.similarity_enhancement_loss(
        features, pool.representations[indices], temperature, reduction, valid, log
    )
    loss.backward()
    assert loss.dtype == (torch.float64 if features.dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss)
    assert loss > -1e-3
    # A half-precision feature has a half-precision gradient, whose range tau may well leave.
    if features.dtype != torch.float16:
        assert torch.isfinite(features.grad).all()
    if not valid.any():
        assert loss == 0
        assert not features.grad.any()


@SMALL
@given(batch=batches(), normalize=st.booleans(), margin=st.floats(0, 10))
def test_triplet(batch, normalize, margin):
    features, pids, _ = batch
    loss = losses.batch_hard_triplet_loss(features, pids, margin, normalize)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss >= 0
    # The gradient of a normalised feature is divided by its length: 1e7 is too much for float16.
    if features.dtype != torch.float16 or not normalize:
        assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_zero_feature_among_others_has_no_gradient(dtype):
    features = make_features("one zero", 4, 8, dtype, 0)
    loss = losses.batch_hard_triplet_loss(features, torch.tensor([0, 0, 1, 1]), 2.0)
    loss.backward()
    assert loss > 0
    assert not features.grad[0].any()
    assert features.grad[1:].any(dim=1).all()
    assert features.grad.abs().max() < 10


@SMALL
@given(
    kind=st.sampled_from(KINDS),
    images=st.integers(1, 6),
    classes=st.integers(2, 5),
    dtype=st.sampled_from(DTYPES),
    smoothing=st.floats(0, 0.99),
    label=st.integers(0, 1),
)
def test_cross_entropies(kind, images, classes, dtype, smoothing, label):
    # A batch of one domain has one label.
    labels = torch.full((images,), label)
    functions = [
        lambda x: losses.identity_loss(x, labels, smoothing),
        lambda x: losses.domain_discrimination_loss(x, labels),
        lambda x: losses.domain_confusion_loss(x, "uniform"),
        lambda x: losses.domain_confusion_loss(x, "entropy"),
    ]
    if classes == 2:
        functions.append(lambda x: losses.domain_confusion_loss(x, "central"))
    for function in functions:
        logits = make_features(kind, images, classes, dtype, images)
        loss = function(logits)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


def started(engine):
    engine.epoch, engine.batch_idx = 1, 0
    engine.set_model_mode("train")
    if engine.pool is not None:
        engine.pool.start_epoch()
    return engine


def parameters(engine):
    networks = [engine.model] + ([engine.discriminator] if engine.discriminator else [])
    return [parameter for network in networks for parameter in network.parameters()]


@pytest.fixture
def stepper(small_engine):
    """An engine of one kind for all examples of a test; each step leaves finite numbers."""
    engines = {}

    def step(images, pids, domains, *options):
        if options not in engines:
            engines[options] = small_engine(*options, "train.lr", "0.0001")
        engine = started(engines[options])
        summary = engine.forward_backward({"img": images, "pid": pids, "dsetid": domains})
        for name, value in summary.items():
            assert math.isfinite(value), name
        for parameter in parameters(engine):
            assert torch.isfinite(parameter).all()
            assert parameter.grad is None or torch.isfinite(parameter.grad).all()
        if engine.pool is not None:
            assert torch.isfinite(engine.pool.representations).all()
        return engine, summary

    return step


@settings(SMALL, max_examples=30)
@given(
    options=st.sampled_from(
        [
            ("ddan.temperature", "1e-8"),
            ("ddan.temperature", "1e-8", "ddan.similarity_log", "released"),
            ("ddan.temperature", "1e-5", "ddan.top_k", "1"),
            ("ddan.temperature", "10.0", "ddan.similarity_reduction", "eq8"),
            ("ddan.alignment", "pairwise"),
            ("ddan.exclude_own_identity", "True", "ddan.normalize_triplet", "False"),
        ]
    ),
    kind=st.sampled_from(["normal", "zero", "identical", "huge", "tiny"]),
    pids=st.lists(st.integers(0, 29), min_size=2, max_size=5),
)
def test_a_whole_step(options, kind, pids, stepper):
    pids = torch.tensor(pids)
    # As the small data are labelled: ten identities of each of the three sources.
    images = make_features(kind, len(pids), 3 * 64 * 32, torch.float32, 0).detach()
    stepper(images.view(len(pids), 3, 64, 32), pids, pids // 10, *options)


@pytest.mark.parametrize("domain", range(3))
def test_a_batch_of_one_domain(domain, stepper):
    pids = torch.tensor([0, 0, 1, 1]) + 10 * domain
    images = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    engine, summary = stepper(images, pids, torch.full((4,), domain))
    assert summary[f"share_{engine.sources[domain]}"] == 1
    assert engine.pool.seen.sum() == 2
    # Before any image of the others there is nothing to be similar to.
    assert summary["loss_similarity"] == 0


def test_two_images_of_one_identity(stepper):
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    _, summary = stepper(images, torch.tensor([3, 3]), torch.tensor([0, 0]))
    assert summary["loss_triplet"] == 0
