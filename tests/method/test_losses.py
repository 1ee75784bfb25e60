"""Eqs. 1, 2, 4 and 5 against the slow references and torchreid."""

import math

import pytest
import torch
import torch.nn.functional as F
import torchreid
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.method import losses

from .. import reference

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 1e-4, torch.float16: 1e-4}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 10_000)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64).to(dtype)


def labels(size, classes, seed=0):
    return torch.randint(classes, (size,), generator=generator(seed))


def check(value, expected, dtype):
    """The references get the rounded input, so half precision owes float32 accuracy."""
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])


class TestCrossEntropies:
    @DTYPES
    @given(size=SIZES, classes=SIZES, smoothing=st.sampled_from([0.0, 0.1, 1.0]), seed=SEEDS)
    @settings(max_examples=15, deadline=None)
    def test_identity_loss(self, dtype, size, classes, smoothing, seed):
        logits, pids = (
            5 * normal(size, classes, seed=seed, dtype=dtype),
            labels(size, classes, seed),
        )
        expected = reference.cross_entropy(logits.tolist(), pids.tolist(), smoothing)
        check(losses.identity_loss(logits, pids, smoothing), expected, dtype)

    @DTYPES
    @pytest.mark.parametrize("domains", [2, 5])
    def test_domain_discrimination_loss(self, dtype, domains):
        logits, y = normal(7, domains, dtype=dtype), labels(7, domains)
        expected = reference.cross_entropy(logits.tolist(), y.tolist())
        check(losses.domain_discrimination_loss(logits, y), expected, dtype)

    def test_gradients(self):
        logits, y = normal(4, 3).requires_grad_(), labels(4, 3)
        assert torch.autograd.gradcheck(lambda x: losses.identity_loss(x, y, 0.1), logits)
        assert torch.autograd.gradcheck(lambda x: losses.domain_discrimination_loss(x, y), logits)


class TestTriplet:
    @DTYPES
    @given(size=SIZES, dim=SIZES, seed=SEEDS, normalize=st.booleans())
    @settings(max_examples=20, deadline=None)
    def test_matches_reference(self, dtype, size, dim, seed, normalize):
        features, pids = normal(size, dim, seed=seed, dtype=dtype), labels(size, 3, seed)
        value = losses.batch_hard_triplet_loss(features, pids, 0.3, normalize)
        expected = reference.batch_hard_triplet(features.tolist(), pids.tolist(), 0.3, normalize)
        # The squared distance of an image to itself is rounded before the root is taken, and never
        # less than 1e-12.
        slack = 2e-6 if dtype == torch.float64 else 5e-3
        assert value.item() == pytest.approx(expected, abs=slack)

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("margin", [0.3, 1.2])
    def test_matches_torchreid_with_its_gradient(self, normalize, margin):
        pids = torch.arange(8).repeat_interleave(4)
        ours = normal(32, 64, dtype=torch.float32).requires_grad_()
        theirs = ours.detach().clone().requires_grad_()
        value = losses.batch_hard_triplet_loss(ours, pids, margin, normalize)
        expected = torchreid.losses.TripletLoss(margin)(
            F.normalize(theirs, dim=1) if normalize else theirs, pids
        )
        torch.testing.assert_close(value, expected)
        value.backward()
        expected.backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)

    def test_gradcheck(self):
        pids = torch.tensor([0, 0, 1, 1, 2, 2])
        features = normal(6, 5).requires_grad_()
        for normalize in (True, False):
            assert torch.autograd.gradcheck(
                lambda x, n=normalize: losses.batch_hard_triplet_loss(x, pids, 5.0, n), features
            )

    @pytest.mark.parametrize("normalize", [True, False])
    def test_coinciding_and_zero_features_have_finite_gradients(self, normalize):
        features = normal(1, 8, dtype=torch.float32).repeat(6, 1)
        features[4:] = 0
        features.requires_grad_()
        pids = torch.tensor([0, 0, 1, 1, 2, 2])
        losses.batch_hard_triplet_loss(features, pids, normalize=normalize).backward()
        assert features.grad.isfinite().all()

    def test_anchor_without_another_image_is_its_own_positive(self):
        features = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        value = losses.batch_hard_triplet_loss(features, torch.tensor([0, 1]), 6.0, False)
        assert value.item() == pytest.approx(6.0 - 5.0, abs=1e-5)

    @pytest.mark.parametrize("pids", [[3, 3, 3], [3]])
    def test_without_any_negative_is_zero_with_a_graph(self, pids):
        features = normal(len(pids), 4).requires_grad_()
        value = losses.batch_hard_triplet_loss(features, torch.tensor(pids))
        value.backward()
        assert value.item() == 0
        assert features.grad.eq(0).all()

    def test_not_computed_in_half_precision_under_autocast(self):
        features, pids = normal(8, 32, dtype=torch.float32), labels(8, 3)
        expected = losses.batch_hard_triplet_loss(features, pids)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = losses.batch_hard_triplet_loss(features, pids)
        assert torch.equal(value, expected)

    @pytest.mark.parametrize(
        ("shape", "pids"), [((4, 2), (3,)), ((4,), (4,)), ((0, 2), (0,)), ((4, 2), (4, 1))]
    )
    def test_wrong_shapes(self, shape, pids):
        with pytest.raises(ValueError, match="batch_hard_triplet_loss needs"):
            losses.batch_hard_triplet_loss(torch.zeros(shape), torch.zeros(pids, dtype=torch.long))


class TestConfusion:
    @DTYPES
    @pytest.mark.parametrize(
        ("mode", "domains"),
        [("uniform", 2), ("uniform", 5), ("entropy", 2), ("entropy", 5), ("central", 2)],
    )
    def test_matches_reference(self, dtype, mode, domains):
        logits = 3 * normal(9, domains, dtype=dtype)
        expected = reference.domain_confusion(logits.tolist(), mode)
        check(losses.domain_confusion_loss(logits, mode), expected, dtype)

    @pytest.mark.parametrize("domains", [2, 5])
    def test_the_minimum_is_the_uniform_distribution(self, domains):
        logits = torch.zeros(4, domains, dtype=torch.float64, requires_grad=True)
        for mode, minimum in (("uniform", math.log(domains)), ("entropy", -math.log(domains))):
            value = losses.domain_confusion_loss(logits, mode)
            assert value.item() == pytest.approx(minimum)
            (gradient,) = torch.autograd.grad(value, logits)
            assert gradient.abs().max() < 1e-12
            assert losses.domain_confusion_loss(normal(4, domains), mode).item() > minimum

    def test_central_is_the_discriminators_loss_with_every_label_central(self):
        logits = normal(6, 2)
        expected = losses.domain_discrimination_loss(logits, torch.ones(6, dtype=torch.long))
        torch.testing.assert_close(losses.domain_confusion_loss(logits, "central"), expected)

    @pytest.mark.parametrize("mode", ["uniform", "entropy", "central"])
    def test_gradients_and_huge_logits(self, mode):
        logits = normal(5, 2).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: losses.domain_confusion_loss(x, mode), logits)
        huge = torch.tensor([[1e30, -1e30], [-6e4, 6e4]], requires_grad=True)
        value = losses.domain_confusion_loss(huge, mode)
        value.backward()
        assert value.isfinite()
        assert huge.grad.isfinite().all()

    def test_errors(self):
        with pytest.raises(ValueError, match="needs a discriminator of 2 classes"):
            losses.domain_confusion_loss(torch.zeros(2, 5), "central")
        with pytest.raises(ValueError, match="unknown mode 'unifrom'"):
            losses.domain_confusion_loss(torch.zeros(2, 2), "unifrom")
