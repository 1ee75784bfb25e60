"""DomainDiscriminator (Sec. 4.1) and its balanced accuracy."""

import pytest
import torch

from ddan_torchreid.method.discriminator import DomainDiscriminator, balanced_accuracy
from tests import reference


@pytest.mark.parametrize("num_domains", [2, 5])
def test_linear_batch_norm_linear(num_domains):
    torch.manual_seed(0)
    model = DomainDiscriminator(6, hidden_dim=4, num_domains=num_domains).double()
    features = torch.randn(8, 6, dtype=torch.double)
    w1, b1, gamma, beta, w2, b2 = model.parameters()
    hidden = features @ w1.T + b1
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
    expected = (gamma * hidden + beta) @ w2.T + b2
    assert expected.shape == (8, num_domains)
    torch.testing.assert_close(model(features), expected)


def test_a_relu_in_place_of_batch_norm():
    torch.manual_seed(0)
    model = DomainDiscriminator(6, 4, 3, norm=False)
    features = torch.randn(1, 6)
    w1, b1, w2, b2 = model.parameters()
    torch.testing.assert_close(model(features), (features @ w1.T + b1).clamp(0) @ w2.T + b2)


def test_defaults_are_those_of_the_paper():
    shapes = [tuple(p.shape) for p in DomainDiscriminator(1280).parameters()]
    assert shapes == [(128, 1280), (128,), (128,), (128,), (2, 128), (2,)]


@pytest.mark.parametrize("sizes", [(6, 4, 1), (6, 0, 2), (0, 4, 2)])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match=f"not {sizes[0]}, {sizes[1]} and {sizes[2]}"):
        DomainDiscriminator(*sizes)


@pytest.mark.parametrize(("peripheral", "central"), [(50, 14), (64, 0), (0, 3)])
def test_always_naming_the_larger_class_gets_half_of_it(peripheral, central):
    """78 % plainly; a class that is not in the batch does not count."""
    labels = torch.tensor([0] * peripheral + [1] * central)
    logits = torch.tensor([[1.0, 0.0]]).expand(len(labels), 2)
    expected = 50 if peripheral and central else 100 * (peripheral > 0)
    assert balanced_accuracy(logits, labels) == expected


@pytest.mark.parametrize("classes", [2, 5])
def test_balanced_accuracy_is_the_mean_over_the_classes_in_the_batch(classes):
    torch.manual_seed(0)
    logits, labels = torch.randn(40, classes), torch.randint(1, classes, (40,)) - 1
    labels[:4] = 0
    expected = reference.balanced_accuracy(logits.tolist(), labels.tolist())
    assert balanced_accuracy(logits, labels) == pytest.approx(expected)


def test_balanced_accuracy_waits_for_no_device():
    """On the meta device whatever looks at a value fails."""
    logits = torch.empty(8, 2, device="meta")
    assert balanced_accuracy(logits, torch.empty(8, dtype=torch.long, device="meta")).shape == ()
