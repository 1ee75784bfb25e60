"""What the processes tell each other, with two and three of them."""

import pytest
import torch
from torch import nn

from ddan_torchreid import distributed
from tests.distributed.launch import run


def test_alone_every_function_is_the_identity():
    values = torch.arange(6.0).view(3, 2).requires_grad_()
    assert distributed.gather(values) is values
    assert distributed.own(values) is values
    assert distributed.mean(values) is values
    assert distributed.gather_in_turn(values, 3) is values
    assert distributed.share("text") == "text"
    assert not distributed.differs("text")
    assert distributed.largest(3) == 3
    assert (distributed.rank(), distributed.size(), distributed.is_first()) == (0, 1, True)
    with distributed.process_group(), distributed.in_turn():
        assert not distributed.active()


def exchange(whole):
    part = distributed.own(whole)
    number = distributed.rank()
    return {
        "rank": number,
        "first": distributed.is_first(),
        "joined": distributed.gather(part),
        "flags": distributed.gather(part > 0),
        "in order": distributed.gather_in_turn(whole[number :: distributed.size()], len(whole)),
        "mean": distributed.mean(part.sum()),
        "shared": distributed.share({"from": number}),
        "largest": distributed.largest(10 - number),
        "differs": [distributed.differs(value) for value in ("same", str(number))],
    }


@pytest.mark.parametrize("processes", [2, 3])
def test_messages(processes):
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(4 * processes, 5, generator=generator, dtype=torch.float64)
    results = run(processes, exchange, whole)
    assert [result["rank"] for result in results] == list(range(processes))
    for result in results:
        assert torch.equal(result["joined"], whole)
        assert torch.equal(result["flags"], whole > 0)
        assert torch.equal(result["in order"], whole)
        assert torch.allclose(result["mean"], whole.sum() / processes)
        assert result["shared"] == {"from": 0}
        assert result["largest"] == 10
        assert result["differs"] == [False, True]
        assert result["first"] == (result["rank"] == 0)


def average():
    torch.manual_seed(distributed.rank())
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    buffered = nn.BatchNorm1d(2)
    buffered.running_mean += distributed.rank() + 1
    distributed.send_from_first(layer)
    distributed.send_from_first(buffered)
    layer(torch.full((1, 3), float(distributed.rank()))).sum().backward()
    distributed.average_gradients(layer)
    return layer.weight.detach(), layer.weight.grad, buffered.running_mean


def test_modules_start_alike_and_get_the_mean_gradient():
    results = run(3, average)
    for weight, grad, running_mean in results:
        assert torch.equal(weight, results[0][0])
        assert torch.equal(grad, torch.ones(2, 3))
        assert torch.equal(running_mean, torch.ones(2))
