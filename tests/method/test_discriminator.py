"""DomainDiscriminator: layers of Sec. 4.1."""

import pytest
import torch
from torch.nn import functional as F

from ddan_torchreid.method.discriminator import DomainDiscriminator


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


def test_defaults_are_those_of_the_paper():
    shapes = [tuple(p.shape) for p in DomainDiscriminator(1280).parameters()]
    assert shapes == [(128, 1280), (128,), (128,), (128,), (2, 128), (2,)]


def test_eval_mode_takes_one_image():
    assert DomainDiscriminator(6).eval()(torch.randn(1, 6)).shape == (1, 2)


def test_bad_sizes():
    with pytest.raises(ValueError, match="num_domains is 1"):
        DomainDiscriminator(6, num_domains=1)
    with pytest.raises(ValueError, match="at least 1, not 6 and 0"):
        DomainDiscriminator(6, hidden_dim=0)


def test_it_separates_two_shifted_domains():
    torch.manual_seed(0)
    model = DomainDiscriminator(6, hidden_dim=4)
    labels = torch.arange(64) % 2
    features = torch.randn(64, 6) + 2.0 * labels[:, None]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(features), labels).backward()
        optimizer.step()
    accuracy = (model(features).argmax(1) == labels).float().mean()
    assert accuracy > 0.95
