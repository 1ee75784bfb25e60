"""DDAN on torchreid's backbones: the features are the original's, and all of DDAN works on them."""

import urllib.error

import gdown
import pytest
import torch
import torchreid
from torch import Tensor, nn

from ddan_torchreid.models import BACKBONES, SPLITS, Split, ddan_backbone
from ddan_torchreid.models.ddan_model import map_and_align
from tests.models.released import stir

SMALL = "ddan_osnet_x0_25"
N = 6


def images(batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, 64, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def originals(monkeypatch):
    """The networks that torchreid builds, whole."""
    built = []
    build = torchreid.models.build_model

    def recording(*args, **kwargs):
        built.append(build(*args, **kwargs))
        return built[-1]

    monkeypatch.setattr(torchreid.models, "build_model", recording)
    return built


def test_names():
    assert set(BACKBONES) == {
        *("ddan_resnet50", "ddan_resnet50_fc512", "ddan_resnet50_ibn_a", "ddan_resnet50_ibn_b"),
        *("ddan_osnet_x1_0", "ddan_osnet_x0_75", "ddan_osnet_x0_5", "ddan_osnet_x0_25"),
        *("ddan_osnet_ain_x1_0", "ddan_osnet_ain_x0_75", "ddan_osnet_ain_x0_5"),
        *("ddan_osnet_ain_x0_25", "ddan_osnet_ibn_x1_0"),
    }


@pytest.mark.parametrize("name", BACKBONES)
def test_features_and_tensors_are_those_of_the_original(name, originals):
    torch.manual_seed(0)
    model = BACKBONES[name](num_classes=N, loss="ddan", pretrained=False, use_gpu=False)
    (original,) = originals
    stir(original)
    original.eval()
    model.eval()
    with torch.no_grad():
        expected = original(images())
        features = model.mapping(model.encoder(images()))
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert features.shape == (2, model.feature_dim)
    assert model.feature_dim == original.feature_dim

    state = original.state_dict()
    kept = {
        name.split(".", 1)[1]: tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(("encoder.", "mapping."))
    }
    assert state.keys() - kept.keys() == {"classifier.weight", "classifier.bias"}
    for tensor in kept:
        assert torch.equal(kept[tensor], state[tensor]), tensor
    assert model.classifier.weight.shape == (N, model.feature_dim)


@pytest.mark.parametrize("name", [SMALL, "ddan_resnet50_ibn_a"])
def test_gradients_go_where_equation_9_sends_them(name):
    torch.manual_seed(0)
    model = BACKBONES[name](num_classes=N, loss="ddan", pretrained=False).train()
    logits, m, aligned = model(images(4))
    assert torch.equal(m, aligned)
    aligned.square().sum().backward(retain_graph=True)
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {f"mapping.{name}" for name, _ in model.mapping.named_parameters()}
    model.zero_grad(set_to_none=True)
    (logits.square().sum() + m.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_one_pass_through_a_bottleneck_gives_the_gradients_of_a_plain_one():
    """The residual block of a ResNet adds in place, which must not reach the encoder's output."""
    torch.manual_seed(0)
    mapping = BACKBONES["ddan_resnet50"](num_classes=N, pretrained=False).mapping.train()
    z = torch.rand(3, 2048, 2, 1, requires_grad=True)
    gradients = []
    for m in (map_and_align(mapping, z)[0], mapping(z)):
        gradients.append(torch.autograd.grad(m.square().sum(), [z, *mapping.parameters()]))
    for routed, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(routed, plain)


class Signed(nn.Module):
    """A network whose features have both signs: it ends in a linear layer and batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)).flatten(1))


def test_imagenet_weights_are_loaded_by_torchreid(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(0)
    released = torchreid.models.build_model("osnet_x0_25", num_classes=1000, pretrained=False)
    stir(released)
    (tmp_path / "checkpoints").mkdir()
    torch.save(released.state_dict(), tmp_path / "checkpoints" / "osnet_x0_25_imagenet.pth")
    model = BACKBONES[SMALL](num_classes=N, loss="ddan").eval()
    assert "Successfully loaded imagenet pretrained weights" in capsys.readouterr().out
    released.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            model.mapping(model.encoder(images())), released(images()), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", [SMALL, "ddan_resnet50"])
def test_offline_error_is_one_line(name, tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network\nin tests")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(gdown, "download", offline)
    monkeypatch.setattr(torch.utils.model_zoo, "load_url", offline)
    with pytest.raises(FileNotFoundError, match="no ImageNet weights for") as caught:
        BACKBONES[name](num_classes=N)
    assert "write pretrained=False" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_networks(monkeypatch):
    with pytest.raises(ValueError, match="no split .* is known for 'hacnn'; add one to SPLITS"):
        ddan_backbone("hacnn", N)
    monkeypatch.setitem(SPLITS, "vit", Split(["a"], ["b"]))
    with pytest.raises(ValueError, match="torchreid has no network 'vit'; register it"):
        ddan_backbone("vit", N)


def test_own_network_registered_with_torchreid(monkeypatch):
    def factory(num_classes, loss, pretrained, use_gpu):
        return Signed()

    monkeypatch.setitem(torchreid.models.__dict__["__model_factory"], "signed", factory)
    monkeypatch.setitem(SPLITS, "signed", Split(["conv"], ["pool", "flatten", "fc"]))
    model = ddan_backbone("signed", N, "ddan", pretrained=False, dropout=0.1)
    assert (model.feature_dim, model.num_classes, model.dropout.p) == (12, N, 0.1)
    assert model.eval()(images()).shape == (2, 12)
