"""What is reported of the choice of the central domain: whose features, and how sure it is."""

import numpy as np
import pytest
import torch
import torchreid
from torch import nn
from torchvision.models import mobilenet_v2

from ddan_torchreid.evaluation import central_domain_choice
from ddan_torchreid.evaluation.central_domain_choice import describe_weights
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


@pytest.mark.parametrize(
    "name", ["ddan_mobilenetv2_x0_35", "ddan_mobilenetv2_in_bn_x0_35", "ddan_osnet_x0_25"]
)
def test_weights_of_a_new_model_are_random(name):
    assert describe_weights(build(name)) == "random weights" + UNTRAINED


@pytest.mark.filterwarnings("ignore:.*it is not torchvision's file")
@pytest.mark.parametrize("name", ["ddan_mobilenetv2_x1_0", "ddan_mobilenetv2_in_bn_x1_0"])
def test_imagenet_weights_are_named_until_the_model_is_trained(name, tmp_path, monkeypatch):
    network = mobilenet_v2()
    network(torch.randn(4, 3, 32, 32))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr(weights, "cached_file", lambda: tmp_path / "weights.pth")
    model = build(name, pretrained=True)
    for each in (model, nn.DataParallel(model)):
        assert describe_weights(each) == "ImageNet weights" + UNTRAINED
    # Another backbone under an identity head that is as new as before.
    model.load_state_dict(model.state_dict())
    assert describe_weights(model) == "weights of unknown training" + UNTRAINED
    assert describe_weights(train(model)) == "trained weights"


def test_imagenet_weights_of_torchreids_networks_are_named(monkeypatch):
    builder = torchreid.models.build_model

    def pretrained_offline(name, **options):
        network = builder(name, **options | {"pretrained": False})
        return train(network) if options["pretrained"] else network

    monkeypatch.setattr(torchreid.models, "build_model", pretrained_offline)
    model = ddan_backbone("osnet_x0_25", 5, "ddan", pretrained=True)
    assert describe_weights(model) == "ImageNet weights" + UNTRAINED


def test_a_checkpoint_loaded_in_python_is_named(tmp_path):
    path = tmp_path / "model.pth.tar-1"
    torch.save(train(build()).state_dict(), path)
    assert describe_weights(load_model(path)) == f"trained weights ({path})"
    torch.save(build().state_dict(), path)
    assert describe_weights(load_model(path)) == f"random weights ({path})" + UNTRAINED


def test_of_a_network_without_batch_norm_nothing_is_claimed():
    encoder, mapping = nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = DDANModel(encoder, mapping, 4, num_classes=5, loss="ddan")
    model.neck = nn.Identity()
    assert describe_weights(model) == "weights of unknown training" + UNTRAINED


@pytest.fixture
def choose(monkeypatch, capsys):
    """Chooses among domains, given how far each is shifted in a direction of its own.

    Returns:
        The name, and the lines that warn.
    """

    def features_only(model, loader, device):
        return type("Features", (), {"features": loader})

    def take(**shifts):
        rng = np.random.default_rng(0)
        point, directions = 2 * rng.normal(size=16), rng.normal(size=(len(shifts), 16))
        features = {
            name: rng.normal(size=(100, 16)) * 0.5 + point + way * direction
            for (name, way), direction in zip(shifts.items(), directions, strict=True)
        }
        monkeypatch.setattr(central_domain_choice, "source_loaders", lambda *_: features)
        monkeypatch.setattr(central_domain_choice, "extract_features", features_only)
        choice = central_domain_choice.choose_central_domain(
            build(), None, torch.device("cpu"), max_samples=50
        )
        return choice, [line for line in capsys.readouterr().out.splitlines() if "Warning" in line]

    return take


def test_a_choice_within_the_noise_warns_and_names_the_rivals(choose):
    choice, (line,) = choose(far=3.0, one=0.05, two=0.0, away=3.0)
    rival = {"one": "two", "two": "one"}[choice]
    assert f"Warning: {rival} (+" in line
    assert f") may be as central as {choice}: sums may differ by" in line
    assert choose(far=3.0, one=2.0, two=0.0, away=3.0) == ("two", [])


def test_of_two_sources_neither_is_more_central(choose):
    choice, (line,) = choose(a=0.0, b=3.0)
    assert choice == "a"
    assert "of two sources neither is more central; a is the first" in line
