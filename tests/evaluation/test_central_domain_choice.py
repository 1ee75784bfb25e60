"""What is said of the choice of the central domain: whose features, and how sure it is."""

import numpy as np
import pytest
import torch
import torchreid
from torch import nn
from torchvision.models import mobilenet_v2

from ddan_torchreid.evaluation import central_domain_choice
from ddan_torchreid.models import DDANModel, weights
from ddan_torchreid.models.backbones import ddan_backbone
from ddan_torchreid.models.loading import load_model

UNTRAINED = "; Eq. 3 is meant for those of a trained baseline"


def build(name="ddan_mobilenetv2_x0_35", pretrained=False):
    return torchreid.models.build_model(name, 5, "ddan", pretrained, use_gpu=False)


def train(model):
    """One batch, which moves the running statistics as every training does."""
    model.train()(torch.randn(4, 3, 32, 16))
    return model


def test_weights_of_a_new_model_are_random():
    for name in ("ddan_mobilenetv2_x0_35", "ddan_mobilenetv2_in_bn_x0_35", "ddan_osnet_x0_25"):
        assert central_domain_choice.describe_weights(build(name)) == "random weights" + UNTRAINED


@pytest.mark.filterwarnings("ignore:.*it is not torchvision's file")
@pytest.mark.parametrize("name", ["ddan_mobilenetv2_x1_0", "ddan_mobilenetv2_in_bn_x1_0"])
def test_imagenet_weights_are_named_until_the_model_is_trained(name, tmp_path, monkeypatch):
    network = mobilenet_v2()
    network(torch.randn(4, 3, 32, 32))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr(weights, "cached_file", lambda: tmp_path / "weights.pth")
    model = build(name, pretrained=True)
    assert central_domain_choice.describe_weights(model) == "ImageNet weights" + UNTRAINED
    assert (
        central_domain_choice.describe_weights(nn.DataParallel(model))
        == "ImageNet weights" + UNTRAINED
    )
    # Another backbone under an identity head that is as new as before.
    model.load_state_dict(model.state_dict())
    assert (
        central_domain_choice.describe_weights(model) == "weights of unknown training" + UNTRAINED
    )
    assert central_domain_choice.describe_weights(train(model)) == "trained weights"


def test_imagenet_weights_of_torchreids_networks_are_named(monkeypatch):
    builder = torchreid.models.build_model

    def pretrained_offline(name, **options):
        network = builder(name, **options | {"pretrained": False})
        return train(network) if options["pretrained"] else network

    monkeypatch.setattr(torchreid.models, "build_model", pretrained_offline)
    model = ddan_backbone("osnet_x0_25", 5, "ddan", pretrained=True)
    assert central_domain_choice.describe_weights(model) == "ImageNet weights" + UNTRAINED


def test_a_checkpoint_loaded_in_python_is_named(tmp_path):
    path = tmp_path / "model.pth.tar-1"
    torch.save(train(build()).state_dict(), path)
    assert central_domain_choice.describe_weights(load_model(path)) == f"trained weights ({path})"
    torch.save(build().state_dict(), path)
    assert (
        central_domain_choice.describe_weights(load_model(path))
        == f"random weights ({path})" + UNTRAINED
    )
    model = build()
    torchreid.utils.load_pretrained_weights(model, str(path))
    assert central_domain_choice.describe_weights(model) == "random weights" + UNTRAINED


def test_of_a_network_without_batch_norm_nothing_is_claimed():
    encoder, mapping = nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = DDANModel(encoder, mapping, 4, num_classes=5, loss="ddan")
    model.neck = nn.Identity()
    assert (
        central_domain_choice.describe_weights(model) == "weights of unknown training" + UNTRAINED
    )


def domains(spread, shift):
    """Features of domains around a common point, shifted in directions of their own."""
    rng = np.random.default_rng(0)
    point, directions = 2 * rng.normal(size=16), rng.normal(size=(len(shift), 16))
    return {
        name: rng.normal(size=(100, 16)) * spread + point + way * directions[i]
        for i, (name, way) in enumerate(shift.items())
    }


def warning(monkeypatch, capsys, features):
    """The choice among domains with these features, and the lines that warn of it."""
    monkeypatch.setattr(central_domain_choice, "source_loaders", lambda *_: features)
    monkeypatch.setattr(
        central_domain_choice,
        "extract_features",
        lambda model, loader, device: type("Features", (), {"features": loader}),
    )
    choice = central_domain_choice.choose_central_domain(
        build(), None, torch.device("cpu"), max_samples=50
    )
    return choice, [line for line in capsys.readouterr().out.splitlines() if "Warning" in line]


def test_a_choice_within_the_noise_warns_and_names_the_rivals(monkeypatch, capsys):
    near = {"far": 3.0, "one": 0.05, "two": 0.0, "away": 3.0}
    choice, lines = warning(monkeypatch, capsys, domains(0.5, near))
    rival = {"one": "two", "two": "one"}[choice]
    assert len(lines) == 1
    assert f"Warning: {rival} (+" in lines[0]
    assert f") may be as central as {choice}: sums may differ by" in lines[0]
    clear = {"far": 3.0, "one": 2.0, "two": 0.0, "away": 3.0}
    assert warning(monkeypatch, capsys, domains(0.5, clear)) == ("two", [])


def test_of_two_sources_neither_is_more_central(monkeypatch, capsys):
    choice, lines = warning(monkeypatch, capsys, domains(0.5, {"a": 0.0, "b": 3.0}))
    assert (choice, len(lines)) == ("a", 1)
    assert "of two sources neither is more central; a is the first" in lines[0]
