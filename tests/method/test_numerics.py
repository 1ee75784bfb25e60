"""Extreme but finite numbers: every loss and gradient stays finite, in the functions and a step."""

import itertools
import math

import pytest
import torch

from ddan_torchreid import IdentityPool
from ddan_torchreid.method import losses
from tests.method.tensors import EVERY_DTYPE, normal

EVERY_KIND = pytest.mark.parametrize(
    "kind", ["normal", "zero", "identical", "huge", "tiny", "one zero", "one hot"]
)


def extreme(kind, images, dim, dtype=torch.float32):
    features = normal(images, dim)
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


def assert_finite(function, features, gradient=True):
    loss = function(features)
    assert torch.isfinite(loss)
    (found,) = torch.autograd.grad(loss, features)
    # A half-precision feature has a half-precision gradient, whose range some losses may leave.
    if gradient or features.dtype != torch.float16:
        assert torch.isfinite(found).all()


@EVERY_DTYPE
@EVERY_KIND
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
        assert_finite(function, extreme(kind, 4, 2, dtype))


@EVERY_DTYPE
@EVERY_KIND
@pytest.mark.parametrize("dim", [1, 32])
@pytest.mark.parametrize("pids", [[0, 0, 1, 1, 2], [3, 3, 3, 3, 3], [0, 1, 2, 3, 4]])
def test_triplet(kind, dtype, dim, pids):
    pids = torch.tensor(pids)
    for normalize, margin in itertools.product((True, False), (0, 0.3, 10)):
        assert_finite(
            lambda x, m=margin, n=normalize: losses.batch_hard_triplet_loss(x, pids, m, n),
            extreme(kind, 5, dim, dtype),
            gradient=not normalize,  # which is divided by the length
        )


@EVERY_DTYPE
def test_a_zero_feature_among_others_has_no_gradient(dtype):
    features = extreme("one zero", 4, 8, dtype)
    losses.batch_hard_triplet_loss(features, torch.tensor([0, 0, 1, 1]), 2.0).backward()
    assert not features.grad[0].any()
    assert features.grad[1:].any(dim=1).all()
    assert features.grad.abs().max() < 10


@EVERY_DTYPE
@EVERY_KIND
@pytest.mark.parametrize("dim", [1, 32])
@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_pool_and_similarity(kind, dtype, dim, epochs):
    features = extreme(kind, 5, dim, dtype)
    pids, owners = torch.tensor([0, 0, 1, 2, 5]), torch.arange(6) % 3
    pool = IdentityPool(owners, dim, central_domain=0)
    for _ in range(epochs):
        pool.start_epoch()
        pool.update(features.detach(), pids)
    assert torch.isfinite(pool.representations).all()
    indices, valid = pool.nearest(features.detach(), owners[pids], 3, pids)
    assert valid.any() == (epochs > 0)
    for temperature, reduction, log in itertools.product(
        (1e-8, 1e-5, 2e-3, 10), ("mean", "eq8"), ("exact", "released")
    ):

        def loss(x, options=(temperature, reduction, valid, log)):
            return losses.similarity_enhancement_loss(x, pool.rows(indices), *options)

        assert_finite(loss, features, gradient=False)  # which is divided by the temperature


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
