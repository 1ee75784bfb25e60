"""Layers with a cheaper backward pass: PyTorch's values, and what makes them cheaper."""

import pytest
import torch
from benchmarks.operators import OperatorCounter
from torch import nn
from torchvision.models import mobilenet_v2

from ddan_torchreid.models.layers import GlobalAveragePool, ReLU6, replace_relu6
from ddan_torchreid.models.mobilenetv2 import ddan_mobilenetv2


def through(layer, given):
    """What a layer makes of x + 0, which it may change, and its gradient."""
    x = given.clone().requires_grad_()
    result = layer(x + 0)
    result.pow(2).sum().backward()
    return result.detach(), x.grad


@pytest.mark.parametrize("training", [True, False])
def test_relu6_is_pytorchs(training):
    given = torch.cat([torch.tensor([-1.0, 0.0, 6.0, 7.0, float("nan")]), torch.randn(200) * 4])
    for ours, theirs in zip(
        through(ReLU6().train(training), given), through(nn.ReLU6(), given), strict=True
    ):
        assert torch.equal(ours.nan_to_num(99), theirs.nan_to_num(99))


def test_relu6_copies_nothing_in_training_and_works_in_place_in_evaluation():
    given = torch.randn(4, 8)
    counts = []
    for layer in (nn.ReLU6(inplace=True), ReLU6()):
        with OperatorCounter() as counter:
            layer(given.clone().requires_grad_() + 0)
        counts.append(counter.names.count("clone"))
    assert counts == [2, 1]  # of which one is ours, above
    x = given.clone()
    assert ReLU6().eval()(x) is x
    assert ReLU6()(given) is not given


def test_every_relu6_of_a_network_is_replaced():
    network = mobilenet_v2(width_mult=0.35)
    number = sum(isinstance(module, nn.ReLU6) for module in network.modules())
    replace_relu6(network)
    assert sum(type(module) is ReLU6 for module in network.modules()) == number > 30
    ours = ddan_mobilenetv2(7, pretrained=False, width_mult=0.35)
    assert not [module for module in ours.modules() if type(module) is nn.ReLU6]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_pool_is_pytorchs_with_a_gradient_in_the_format_of_the_maps(layout):
    given = torch.randn(4, 16, 8, 4).to(memory_format=layout)
    formats = []

    def watched(pool):
        def call(maps):
            result = pool(maps)
            maps.register_hook(
                lambda gradient: formats.append(gradient.is_contiguous(memory_format=layout))
            )
            return result

        return call

    ours = through(watched(GlobalAveragePool()), given)
    theirs = through(watched(nn.AdaptiveAvgPool2d(1)), given)
    assert formats == [True, layout == torch.contiguous_format]
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert torch.equal(one, other)
