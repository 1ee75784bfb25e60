"""MobileNetV2 as encoder and mapping network: structure, both norms, torchreid's tools."""

import pytest
import torch
import torchvision
from torch import nn

from ddan_torchreid.models import FACTORIES, ddan_mobilenetv2

NORMS = ("bn", "in_bn")


def small(norm: str = "bn", loss: str = "ddan", num_classes: int = 9):
    torch.manual_seed(0)
    return ddan_mobilenetv2(num_classes, loss, pretrained=False, width_mult=0.35, norm=norm)


def test_factory_names():
    widths = ("x0_35", "x0_5", "x0_75", "x1_0", "x1_4")
    expected = {f"ddan_mobilenetv2_{norm}{width}" for norm in ("", "in_bn_") for width in widths}
    assert set(FACTORIES) == expected


@pytest.mark.parametrize("name", FACTORIES)
def test_every_factory(name):
    model = FACTORIES[name](num_classes=3, loss="triplet", pretrained=False, use_gpu=False)
    width = float(name.rpartition("x")[2].replace("_", "."))
    reference = torchvision.models.mobilenet_v2(width_mult=width)
    assert model.feature_dim == reference.last_channel == (1792 if width == 1.4 else 1280)
    norms = [m for m in model.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert len(norms) == (14 if "in_bn" in name else 0)
    if "in_bn" not in name:
        mine = [p.shape for part in (model.encoder, model.mapping) for p in part.parameters()]
        assert mine == [p.shape for p in reference.features.parameters()]
    with torch.no_grad():
        assert model.eval()(torch.randn(1, 3, 64, 32)).shape == (1, model.feature_dim)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [(4, 3, 64, 32), (2, 3, 96, 48), (2, 3, 160, 64), (3, 3, 97, 51)])
def test_input_sizes(norm, size):
    model = small(norm).train()
    logits, m, aligned = model(torch.randn(size))
    assert logits.shape == (size[0], 9)
    assert m.shape == aligned.shape == (size[0], 1280)
    with torch.no_grad():
        assert model.eval()(torch.randn(size)).shape == (size[0], 1280)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", ["softmax", "triplet", "ddan"])
def test_every_parameter_learns(norm, loss):
    model = small(norm, loss).train()
    output = model(torch.randn(4, 3, 64, 32))
    logits = output if loss == "softmax" else output[0]
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_places_of_the_instance_norms():
    model = small("in_bn")
    assert isinstance(model.encoder[0][1], nn.InstanceNorm2d)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.encoder[0].modules())
    for i in range(1, 18):
        block = model.encoder[i]
        norms = [m for m in block.modules() if isinstance(m, nn.InstanceNorm2d)]
        assert len(norms) == (1 if i <= 13 else 0), i
        assert any(isinstance(m, nn.BatchNorm2d) for m in block.modules())
    assert not any(isinstance(m, nn.InstanceNorm2d) for m in model.mapping.modules())
    assert all(m.affine for m in model.modules() if isinstance(m, nn.InstanceNorm2d))
    full = ddan_mobilenetv2(2, pretrained=False, norm="in_bn")
    channels = [full.encoder[i].instance_norm.num_features for i in range(1, 14)]
    assert channels == [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3


def test_instance_norm_follows_the_residual_addition():
    block = small("in_bn").encoder[3].eval()
    assert block.use_res_connect
    x = torch.randn(2, block.out_channels, 8, 4)
    total = x + block.conv(x)
    variance, mean = torch.var_mean(total, dim=(2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(block(x), (total - mean) / (variance + 1e-5).sqrt())


def test_dropout_is_set_and_bad_arguments_are_refused():
    assert ddan_mobilenetv2(2, pretrained=False, width_mult=0.35, dropout=0.1).dropout.p == 0.1
    with pytest.raises(ValueError, match="'bn', 'in_bn'"):
        ddan_mobilenetv2(2, pretrained=False, norm="ibn")
