"""Eqs. 1, 2, 4 and 5 against the slow references and torchreid."""

import pytest
import torch
import torch.nn.functional as F
import torchreid
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.method.losses import (
    batch_hard_triplet_loss,
    domain_confusion_loss,
    domain_discrimination_loss,
    identity_loss,
)
from tests import reference
from tests.method.tensors import EVERY_DTYPE, assert_scalar, labels, normal

SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 10_000)
MODES = [("uniform", 2), ("uniform", 5), ("entropy", 2), ("entropy", 5), ("central", 2)]


@EVERY_DTYPE
@given(size=SIZES, classes=SIZES, smoothing=st.sampled_from([0.0, 0.1, 1.0]), seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_cross_entropies_are_their_reference(dtype, size, classes, smoothing, seed):
    logits, y = 5 * normal(size, classes, seed=seed, dtype=dtype), labels(size, classes, seed)
    expected = reference.cross_entropy(logits.tolist(), y.tolist(), smoothing)
    assert_scalar(identity_loss(logits, y, smoothing), expected, dtype)
    expected = reference.cross_entropy(logits.tolist(), y.tolist())
    assert_scalar(domain_discrimination_loss(logits, y), expected, dtype)
    rows = [
        [x for x, of in zip(logits.tolist(), y, strict=True) if of == c] for c in range(classes)
    ]
    means = [reference.cross_entropy(x, [c] * len(x)) for c, x in enumerate(rows) if x]
    assert_scalar(domain_discrimination_loss(logits, y, True), sum(means) / len(means), dtype)


class TestTriplet:
    @EVERY_DTYPE
    @given(size=SIZES, dim=SIZES, seed=SEEDS, normalize=st.booleans())
    @settings(max_examples=20, deadline=None)
    def test_is_its_reference(self, dtype, size, dim, seed, normalize):
        features, pids = normal(size, dim, seed=seed, dtype=dtype), labels(size, 3, seed)
        value = batch_hard_triplet_loss(features, pids, 0.3, normalize)
        expected = reference.batch_hard_triplet(features.tolist(), pids.tolist(), 0.3, normalize)
        # The squared distance of an image to itself is rounded before the root is taken, and never
        # less than 1e-12.
        slack = 2e-6 if dtype == torch.float64 else 5e-3
        assert value.item() == pytest.approx(expected, abs=slack)

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("margin", [0.3, 1.2])
    def test_is_torchreids_with_its_gradient(self, normalize, margin):
        pids = torch.arange(8).repeat_interleave(4)
        ours = normal(32, 64, dtype=torch.float32).requires_grad_()
        theirs = ours.detach().clone().requires_grad_()
        value = batch_hard_triplet_loss(ours, pids, margin, normalize)
        expected = torchreid.losses.TripletLoss(margin)(
            F.normalize(theirs, dim=1) if normalize else theirs, pids
        )
        torch.testing.assert_close(value, expected)
        value.backward()
        expected.backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("pids", [[3, 3, 3], [3]])
    def test_without_a_negative_it_is_zero_with_a_graph(self, pids):
        features = normal(len(pids), 4).requires_grad_()
        value = batch_hard_triplet_loss(features, torch.tensor(pids))
        value.backward()
        assert value.item() == 0
        assert features.grad.eq(0).all()

    def test_autocast_changes_nothing(self):
        features, pids = normal(8, 32, dtype=torch.float32), labels(8, 3)
        expected = batch_hard_triplet_loss(features, pids)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(batch_hard_triplet_loss(features, pids), expected)

    @pytest.mark.parametrize(
        ("shape", "pids"), [((4, 2), (3,)), ((4,), (4,)), ((0, 2), (0,)), ((4, 2), (4, 1))]
    )
    def test_wrong_shapes(self, shape, pids):
        with pytest.raises(ValueError, match="batch_hard_triplet_loss needs"):
            batch_hard_triplet_loss(torch.zeros(shape), torch.zeros(pids, dtype=torch.long))


class TestConfusion:
    @EVERY_DTYPE
    @pytest.mark.parametrize(("mode", "domains"), MODES)
    def test_is_its_reference(self, dtype, mode, domains):
        logits = 3 * normal(9, domains, dtype=dtype)
        expected = reference.domain_confusion(logits.tolist(), mode)
        assert_scalar(domain_confusion_loss(logits, mode), expected, dtype)

    def test_errors(self):
        with pytest.raises(ValueError, match="needs a discriminator of 2 classes"):
            domain_confusion_loss(torch.zeros(2, 5), "central")
        with pytest.raises(ValueError, match="unknown mode 'unifrom'"):
            domain_confusion_loss(torch.zeros(2, 2), "unifrom")


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: identity_loss(x, torch.tensor([0, 1, 1, 0]), 0.1),
        lambda x: domain_discrimination_loss(x, torch.tensor([0, 1, 1, 0])),
        lambda x: batch_hard_triplet_loss(x, torch.tensor([0, 0, 1, 1]), 5.0, True),
        lambda x: batch_hard_triplet_loss(x, torch.tensor([0, 0, 1, 1]), 5.0, False),
        *(lambda x, mode=mode: domain_confusion_loss(x, mode) for mode, size in MODES if size == 2),
    ],
)
def test_gradients(loss):
    assert torch.autograd.gradcheck(loss, normal(4, 2).requires_grad_())
