"""Extreme but finite numbers: every loss and gradient stays finite, in the functions and a step."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddan_torchreid import IdentityPool
from ddan_torchreid.method import losses
from tests.method.tensors import DTYPES, EVERY_DTYPE, normal

SMALL = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# From log-uniform to the bounds named by the settings and the recipe.
TEMPERATURES = st.floats(-5, 1).map(lambda power: 10.0**power) | st.sampled_from([1e-8, 2e-3])
KINDS = ("normal", "zero", "identical", "huge", "tiny", "one zero", "one hot")


def extreme(kind, images, dim, dtype=torch.float32, seed=0):
    features = normal(images, dim, seed=seed)
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
    # Often the batch lacks some of the identities and domains.
    pids = draw(st.lists(st.integers(0, identities - 1), min_size=images, max_size=images))
    features = extreme(
        draw(st.sampled_from(KINDS)),
        images,
        draw(st.sampled_from([1, 2, 32])),
        draw(st.sampled_from(DTYPES)),
        draw(st.integers(0, 99)),
    )
    return features, torch.tensor(pids), torch.arange(identities) % domains


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
    assert pool.seen[indices[valid]].all()
    loss = losses.similarity_enhancement_loss(
        features, pool.rows(indices), temperature, reduction, valid, log
    )
    loss.backward()
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


@EVERY_DTYPE
def test_a_zero_feature_among_others_has_no_gradient(dtype):
    features = extreme("one zero", 4, 8, dtype)
    losses.batch_hard_triplet_loss(features, torch.tensor([0, 0, 1, 1]), 2.0).backward()
    assert not features.grad[0].any()
    assert features.grad[1:].any(dim=1).all()
    assert features.grad.abs().max() < 10


@EVERY_DTYPE
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", [0, 1])
def test_cross_entropies(kind, dtype, label):
    labels = torch.full((4,), label)  # as in a batch of one domain
    for function in (
        lambda x: losses.identity_loss(x, labels, 0.1),
        lambda x: losses.domain_discrimination_loss(x, labels),
        lambda x: losses.domain_confusion_loss(x, "uniform"),
        lambda x: losses.domain_confusion_loss(x, "entropy"),
        lambda x: losses.domain_confusion_loss(x, "central"),
    ):
        logits = extreme(kind, 4, 2, dtype)
        loss = function(logits)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


@pytest.fixture
def step(small_engine):
    """Takes a step of a new engine, whose numbers are all finite."""

    def take(images, pids, domains, *options):
        engine = small_engine(*options, "train.lr", "0.0001")
        engine.epoch, engine.batch_idx = 1, 0
        engine.set_model_mode("train")
        engine.pool.start_epoch()
        batch = {"img": images, "pid": pids, "dsetid": domains}
        for _ in range(2):  # in the second one the pool is not empty
            summary = engine.forward_backward(batch)
            assert all(map(math.isfinite, summary.values())), summary
            for network in (engine.model, engine.discriminator):
                for parameter in network.parameters():
                    assert torch.isfinite(parameter).all()
                    assert parameter.grad is None or torch.isfinite(parameter.grad).all()
            assert torch.isfinite(engine.pool.representations).all()
        return engine, summary

    return take


@pytest.mark.parametrize("kind", ["normal", "zero", "identical", "huge", "tiny"])
@pytest.mark.parametrize(
    "options",
    [
        ("ddan.temperature", "1e-8"),
        ("ddan.temperature", "1e-8", "ddan.similarity_log", "released"),
        ("ddan.temperature", "10.0", "ddan.similarity_reduction", "eq8"),
        ("ddan.exclude_own_identity", "True", "ddan.normalize_triplet", "False"),
    ],
)
def test_a_whole_step(options, kind, step):
    # As the small data are labelled: ten identities of each of the three sources.
    pids = torch.tensor([3, 3, 14, 25, 25])
    images = extreme(kind, len(pids), 3 * 64 * 32).detach()
    step(images.view(len(pids), 3, 64, 32), pids, pids // 10, *options)


@pytest.mark.parametrize("domain", range(3))
def test_a_batch_of_one_domain(domain, step):
    pids = torch.tensor([0, 0, 1, 1]) + 10 * domain
    images = normal(4, 3, 64, 32, dtype=torch.float32)
    engine, summary = step(images, pids, torch.full((4,), domain))
    assert summary[f"share_{engine.sources[domain]}"] == 1
    assert engine.pool.seen.sum() == 2
    # An image of the central domain finds its like there; before any image of another domain the
    # others have nothing to be similar to.
    assert (summary["loss_similarity"] == 0) == (domain != engine.objective.central)


def test_two_images_of_one_identity(step):
    images = normal(2, 3, 64, 32, dtype=torch.float32)
    _, summary = step(images, torch.tensor([3, 3]), torch.tensor([0, 0]))
    assert summary["loss_triplet"] == 0
