"""Eq. 8 with both logarithms against the slow reference, and its behaviour at the edges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.method.losses import similarity_enhancement_loss
from tests import reference
from tests.method.tensors import EVERY_DTYPE, assert_scalar, normal, seeded

SIZES = st.integers(1, 6)
LOGS = pytest.mark.parametrize("log", ["exact", "released"])
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "eq8"])


@LOGS
@EVERY_DTYPE
@given(
    batch=SIZES,
    k=st.integers(0, 5),
    dim=SIZES,
    temperature=st.sampled_from([2e-3, 0.05, 1.0, 10.0]),
    reduction=st.sampled_from(["mean", "eq8"]),
    masked=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=30, deadline=None)
def test_it_is_its_reference(log, dtype, batch, k, dim, temperature, reduction, masked, seed):
    features = normal(batch, dim, seed=seed, dtype=dtype)
    neighbours = normal(batch, k, dim, seed=seed + 1, dtype=dtype)
    valid = torch.rand(batch, k, generator=seeded(seed)) < (0.6 if masked else 2)
    value = similarity_enhancement_loss(
        features, neighbours, temperature, reduction, valid if masked else None, log
    )
    expected = reference.similarity_enhancement(
        features.tolist(), neighbours.tolist(), temperature, reduction, valid.tolist(), log
    )
    assert_scalar(value, expected, dtype)


def pooled(log, dtype=torch.float64):
    """L_SE of features as pooling after a ReLU makes them, at the published tau, and its gradient.

    Returns:
        A scalar, and (32, 1280).
    """
    features = normal(32, 8, 1280).relu().mean(1).to(dtype).requires_grad_()
    neighbours = normal(32, 8, 16, 1280, seed=1).relu().mean(2).to(dtype)
    value = similarity_enhancement_loss(features, neighbours, 2e-3, log=log)
    return value.item(), torch.autograd.grad(value, features)[0]


def test_the_released_logarithm_is_another_strength_and_direction():
    exact, exact_gradient = pooled("exact")
    released, released_gradient = pooled("released")
    assert 0 < released < exact / 10
    assert 0 < released_gradient.norm() < exact_gradient.norm() / 20
    assert F.cosine_similarity(released_gradient.flatten(), exact_gradient.flatten(), 0) < 0.5


@LOGS
def test_float32_loses_little_at_the_published_temperature(log):
    expected, expected_gradient = pooled(log)
    value, gradient = pooled(log, torch.float32)
    assert value == pytest.approx(expected, rel=1e-4)
    assert (gradient - expected_gradient).norm() < 1e-3 * expected_gradient.norm()


@LOGS
@REDUCTIONS
@pytest.mark.parametrize("temperature", [0.5, 0.05])
def test_gradients(reduction, temperature, log):
    features, neighbours = normal(3, 5).requires_grad_(), normal(3, 4, 5, seed=1)
    neighbours.requires_grad_()
    valid = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]).bool()

    def loss(x):
        return similarity_enhancement_loss(x, neighbours, temperature, reduction, valid, log)

    assert torch.autograd.gradcheck(loss, features)
    loss(features).backward()
    assert neighbours.grad is None
    assert features.grad[1].eq(0).all()
    assert features.grad[[0, 2]].ne(0).all()


@LOGS
@REDUCTIONS
def test_invalid_slots_do_not_count_whatever_they_hold(reduction, log):
    features, neighbours = normal(2, 5).requires_grad_(), normal(2, 3, 5, seed=1)
    expected = similarity_enhancement_loss(features, neighbours[:, :2], 0.1, reduction, log=log)
    neighbours[:, 2] = torch.tensor([torch.nan, torch.inf, -torch.inf, 0, 1e300])
    valid = torch.tensor([[True, True, False]] * 2)
    value = similarity_enhancement_loss(features, neighbours, 0.1, reduction, valid, log)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert features.grad.isfinite().all()


@LOGS
@REDUCTIONS
@pytest.mark.parametrize(("batch", "k"), [(3, 2), (3, 0), (0, 2)])
def test_no_valid_pair_is_zero_with_a_graph(reduction, batch, k, log):
    features = normal(batch, 4).requires_grad_()
    valid = torch.zeros(batch, k, dtype=torch.bool)
    neighbours = torch.zeros(batch, k, 4)
    value = similarity_enhancement_loss(features, neighbours, 0.1, reduction, valid, log)
    value.backward()
    assert value.item() == 0
    assert features.grad.eq(0).all()


@LOGS
@pytest.mark.parametrize("temperature", [1e-8, 2e-3])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_finite_for_the_largest_features(dtype, temperature, log):
    features, neighbours = (
        (x.sign() * torch.finfo(dtype).max).to(dtype) for x in (normal(4, 6), normal(4, 3, 6))
    )
    features = features.float().requires_grad_()
    for reduction in ("mean", "eq8"):
        value = similarity_enhancement_loss(features, neighbours, temperature, reduction, log=log)
        assert value.isfinite()
        (gradient,) = torch.autograd.grad(value, features)
        assert gradient.isfinite().all()


def test_autocast_changes_nothing():
    features = normal(4, 64, dtype=torch.bfloat16)
    neighbours = normal(4, 8, 64, seed=1, dtype=torch.float32)
    expected = similarity_enhancement_loss(features, neighbours, 2e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(similarity_enhancement_loss(features, neighbours, 2e-3), expected)


def test_errors():
    features, neighbours = torch.zeros(2, 4), torch.zeros(2, 3, 4)
    loss = similarity_enhancement_loss
    for temperature in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="greater than 0"):
            loss(features, neighbours, temperature)
    with pytest.raises(ValueError, match="unknown reduction 'sum'"):
        loss(features, neighbours, 1.0, "sum")
    with pytest.raises(ValueError, match="unknown log 'log2'"):
        loss(features, neighbours, 1.0, log="log2")
    for wrong in (neighbours[0], neighbours[:1], neighbours[..., :3]):
        with pytest.raises(ValueError, match="similarity_enhancement_loss needs"):
            loss(features, wrong, 1.0)
    with pytest.raises(ValueError, match="similarity_enhancement_loss needs"):
        loss(features, neighbours, 1.0, valid=torch.ones(2, 2, dtype=torch.bool))
