"""ImageNet weights: every tensor accounted for, and clear errors when the file is not right."""

import hashlib
import urllib.error
import warnings
from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn

from ddan_torchreid.models import ddan_mobilenetv2, load_imagenet_weights, weights
from tests.models.released import stir

FILE_NAME = "mobilenet_v2-b0353104.pth"
NOT_ITS_HASH = "ignore:.*it is not torchvision's file:UserWarning"


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    """torchvision's network with random weights and statistics."""
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2()
    stir(network)
    return network.eval()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty torch hub cache, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def save(state: dict, file) -> None:
    # The format before PyTorch 1.6, which torchvision's file of 2019 has.
    torch.save(state, file, _use_new_zipfile_serialization=False)


@pytest.fixture
def cached(cache, reference):
    save(reference.state_dict(), cache / FILE_NAME)
    return cache / FILE_NAME


@pytest.mark.filterwarnings(NOT_ITS_HASH)
def test_batch_norm_features_are_those_of_torchvision(cached, reference):
    model = ddan_mobilenetv2(5).eval()
    model.neck = nn.Identity()
    images = torch.randn(2, 3, 96, 48)
    with torch.no_grad():
        expected = reference.features(images).mean((2, 3))
        torch.testing.assert_close(model(images), expected, rtol=1e-6, atol=1e-6)


STATISTICS = [
    f"features.0.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
]


@pytest.mark.filterwarnings(NOT_ITS_HASH)
@pytest.mark.parametrize(("norm", "of_stem"), [("bn", []), ("in_bn", STATISTICS)])
def test_every_tensor_is_accounted_for(norm, of_stem, cached, reference, capsys):
    model = ddan_mobilenetv2(5, norm=norm, pretrained=False)
    load_imagenet_weights(model)
    added = 0
    wanted = reference.state_dict()
    for name, tensor in model.state_dict().items():
        part, _, rest = name.partition(".")
        if ".instance_norm." in name:
            assert (tensor == name.endswith("weight")).all()
            added += 1
        elif part in ("encoder", "mapping"):
            assert torch.equal(tensor, wanted.pop(f"features.{rest}")), name
    not_needed = [*of_stem, "classifier.1.weight", "classifier.1.bias"]
    assert list(wanted) == not_needed
    of_norms = "; 26 of instance norms that the file does not have" if of_stem else ""
    assert added == (2 * 13 if of_stem else 0)
    assert capsys.readouterr().out == (
        f"ImageNet weights: {314 - len(not_needed)} tensors loaded from {cached}{of_norms}; "
        f"{len(not_needed)} not needed: {', '.join(not_needed)}\n"
    )


def test_hash_of_a_cached_file_is_checked(cached, monkeypatch):
    model = ddan_mobilenetv2(5, pretrained=False)
    digest = hashlib.sha256(cached.read_bytes()).hexdigest()
    says = rf"has SHA-256 {digest[:8]}\.\.\., not b0353104\.\.\.: it is not torchvision's file"
    with pytest.warns(UserWarning, match=says):
        load_imagenet_weights(model)
    monkeypatch.setattr(weights, "SHA256_PREFIX", digest[:8])
    with warnings.catch_warnings(action="error"):
        load_imagenet_weights(model)


@pytest.mark.filterwarnings(NOT_ITS_HASH)
def test_missing_file_is_downloaded_with_its_hash_checked(cache, reference, monkeypatch):
    calls = []

    def download(url, file, hash_prefix=None, progress=True):
        calls.append((url, hash_prefix))
        save(reference.state_dict(), file)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        load_imagenet_weights(ddan_mobilenetv2(5, pretrained=False))
    assert calls == [("https://download.pytorch.org/models/" + FILE_NAME, "b0353104")]


def test_offline_error_says_what_to_put_where(cache):
    with pytest.raises(FileNotFoundError) as caught:
        ddan_mobilenetv2(5)
    message = str(caught.value)
    assert str(cache / FILE_NAME) in message
    assert "https://download.pytorch.org/models/" + FILE_NAME in message
    assert "pretrained=False (model.pretrained False in the configuration)" in message
    assert "\n" not in message


def test_other_widths_have_no_weights(cache):
    with pytest.raises(ValueError, match=r"width 1\.0 only, not for 0\.35; write pretrained=False"):
        ddan_mobilenetv2(5, width_mult=0.35)


def test_damaged_files(cached):
    content = cached.read_bytes()
    for damaged in (b"", b"<html>not found</html>", content[: len(content) // 2]):
        cached.write_bytes(damaged)
        with pytest.raises(RuntimeError, match="not a readable file of weights") as caught:
            ddan_mobilenetv2(5)
        assert str(cached) in str(caught.value)
        assert "\n" not in str(caught.value)
    save({"classifier.1.bias": hashlib.sha256}, cached)  # names a function: weights_only refuses
    with pytest.raises(RuntimeError, match="not a readable file of weights"):
        ddan_mobilenetv2(5)
    save({"epoch": 3}, cached)
    with pytest.raises(RuntimeError, match="holds no state dict"):
        ddan_mobilenetv2(5)


def test_files_that_do_not_fit_change_nothing(cached, reference):
    model = ddan_mobilenetv2(5, pretrained=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = reference.state_dict()
    name = "features.18.0.weight"
    cases = {
        "missing": OrderedDict((n, t) for n, t in state.items() if n != name),
        "other shape": OrderedDict(state, **{name: state[name][:10]}),
        "unknown": OrderedDict(state, **{"features.19.weight": torch.zeros(1)}),
    }
    for case, content in cases.items():
        save(content, cached)
        with pytest.raises(RuntimeError, match="does not fit this MobileNetV2") as caught:
            load_imagenet_weights(model)
        wanted = "features.19.weight" if case == "unknown" else "mapping.18.0.weight"
        assert wanted in str(caught.value), case
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
