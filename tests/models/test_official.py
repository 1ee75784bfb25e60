"""The authors' checkpoint: converted without loss, every tensor accounted for, nothing executed."""

import os

import pytest
import torch
import torchreid
from torch import Tensor

from ddan_torchreid import IdentityPool
from ddan_torchreid.method.discriminator import DomainDiscriminator
from ddan_torchreid.models import convert_official, ddan_mobilenetv2, load_model, official
from tests.models.released import N, Release


@pytest.fixture(scope="module")
def release() -> Release:
    return Release()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 96, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=["legacy", "zip with module."])
def converted(request, release, tmp_path_factory):
    legacy = request.param == "legacy"
    folder = tmp_path_factory.mktemp("converted")
    file = folder / "checkpoint.pth.tar"
    state = release.state("" if legacy else "module.")
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    return convert_official(file, folder / "ddan.pth.tar")


def test_features_are_those_of_the_release(converted, release, images):
    expected = release.features(images)
    assert expected.std() > 0.1
    model = load_model(converted.written[0])
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(model.classifier.weight, release.classifier.weight)
    assert torch.equal(model.classifier.bias, release.classifier.bias)


def test_torchreid_loads_the_model(converted, release, images, capsys):
    model = torchreid.models.build_model("ddan_mobilenetv2_x1_0", num_classes=3, pretrained=False)
    torchreid.utils.load_pretrained_weights(model, str(converted.written[0]))
    assert "['classifier.weight', 'classifier.bias']" in capsys.readouterr().out
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(images), release.features(images), rtol=1e-5, atol=1e-5
        )


def test_discriminator_is_that_of_the_release(converted, release):
    state = torch.load(converted.written[1], weights_only=True)
    discriminator = DomainDiscriminator(1280).eval()
    discriminator.load_state_dict(state["state_dict"])
    features = torch.randn(4, 1280)
    with torch.no_grad():
        torch.testing.assert_close(discriminator(features), release.domain_logits(features))


def test_pool_goes_on_from_the_released_representations(converted, release):
    assert not converted.domains_known
    state = torch.load(converted.written[2], weights_only=True)["state_dict"]
    assert "identity_domains" not in state
    pool = IdentityPool([0, 0, 1, 1, 2, 2, 2], 1280, central_domain=2)
    assert pool.load_state_dict(state, strict=False).missing_keys == ["identity_domains"]
    assert torch.equal(pool.representations, release.em)
    assert pool.seen.tolist() == [True, True, False, True, True, True, True]
    pool.start_epoch()
    feature = torch.randn(1, 1280)
    pool.update(feature, torch.tensor([4]))
    torch.testing.assert_close(pool.representations[4], 0.05 * release.em[4] + 0.95 * feature[0])


def test_domains_of_the_released_identities(release, tmp_path, monkeypatch):
    assert sum(official.RELEASED_IDENTITIES.values()) == 18_530
    monkeypatch.setattr(
        official,
        "RELEASED_IDENTITIES",
        {"market1501": 2, "dukemtmcreid": 1, "cuhk03": 1, "cuhk02": 1, "cuhksysu": 2},
    )
    torch.save(release.state(), tmp_path / "checkpoint.pth.tar")
    summary = convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "out" / "ddan.pth.tar")
    assert summary.domains_known
    pool = IdentityPool([0] * N, 1280, central_domain=None)
    pool.load_state_dict(torch.load(summary.written[2], weights_only=True)["state_dict"])
    assert pool.identity_domains.tolist() == [0, 0, 1, 2, 3, 4, 4]
    written = torch.load(summary.written[0], weights_only=True)["ddan"]
    assert written["central_domain"] == "cuhksysu"
    assert written["sources"] == ["market1501", "dukemtmcreid", "cuhk03", "cuhk02", "cuhksysu"]
    assert "identity_domains" not in str(summary)


def test_every_tensor_is_accounted_for(converted, release):
    state = release.state()
    total = sum(len(state[part]) for part in ("Encoder", "Transfer", "CamDis", "InvNet"))
    model = ddan_mobilenetv2(N, pretrained=False)
    assert converted.converted == {
        "model": len(model.state_dict()),
        "discriminator": len(DomainDiscriminator(1280).state_dict()),
        "identity_pool": 1,
    }
    last = len(release.encoder.features[18].state_dict())
    assert converted.not_needed == {
        "Encoder.base.features.18.*": last,
        "Encoder.base.classifier.*": 2,
        "Transfer.base.features.0-17.*": len(release.encoder.features.state_dict()) - last,
        "Transfer.base.classifier.*": 2,
    }
    assert sum(converted.converted.values()) + sum(converted.not_needed.values()) == total
    text = str(converted)
    assert "\n" not in text
    for part in (f"{total - sum(converted.not_needed.values())} tensors converted", "epoch 100"):
        assert part in text
    assert "7 identities; not the 18530 of the release" in text


def test_places_of_the_files(release, tmp_path):
    torch.save(release.state(), tmp_path / "checkpoint.pth.tar")
    in_run = convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "model" / "a")
    folders = ("model", "discriminator", "identity_pool")
    assert in_run.written == tuple(tmp_path / folder / "a" for folder in folders)
    assert all(file.is_file() for file in in_run.written)
    with pytest.raises(ValueError, match="is the file to convert; choose another name"):
        convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "checkpoint.pth.tar")


def _without(state: dict, part: str, key: str) -> dict:
    return state | {part: {k: v for k, v in state[part].items() if k != key}}


def _with(state: dict, part: str, key: str, value: object) -> dict:
    return state | {part: state[part] | {key: value}}


BROKEN = {
    "tensors missing (1), such as Encoder.base.features.3.conv.0.0.weight": lambda s: _without(
        s, "Encoder", "base.features.3.conv.0.0.weight"
    ),
    "tensors missing (1), such as Transfer.base.features.18.1.running_var": lambda s: _without(
        s, "Transfer", "base.features.18.1.running_var"
    ),
    "tensors missing (1), such as InvNet.em": lambda s: _without(s, "InvNet", "em"),
    "tensors missing (1), such as Transfer.classifier.weight": lambda s: _without(
        s, "Transfer", "classifier.weight"
    ),
    "tensors unknown (1), such as Transfer.base.features.19.0.weight": lambda s: _with(
        s, "Transfer", "base.features.19.0.weight", torch.zeros(1)
    ),
    "tensors unknown (1), such as Encoder.base.features.0.2.weight": lambda s: _with(
        s, "Encoder", "base.features.0.2.weight", torch.zeros(1)
    ),
    "tensors of another shape (1), such as InvNet.em": lambda s: _with(
        s, "InvNet", "em", torch.zeros(N, 640)
    ),
    "tensors of another shape (1), such as CamDis.feat.weight": lambda s: _with(
        s, "CamDis", "feat.weight", torch.zeros(64, 1280)
    ),
    "it should hold CamDis, Encoder, InvNet, Transfer, epoch and holds Encoder": lambda s: {
        "Encoder": s["Encoder"]
    },
    "CamDis is no state dict": lambda s: s | {"CamDis": 3},
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_does_not_fit_is_an_error(message, release, tmp_path):
    torch.save(BROKEN[message](release.state()), tmp_path / "checkpoint.pth.tar")
    with pytest.raises(ValueError, match="is not the authors' checkpoint") as caught:
        convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "ddan.pth.tar")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pth.tar"]


class Malicious:
    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


@pytest.mark.parametrize("legacy", [True, False])
def test_code_in_the_file_is_not_run(legacy, release, tmp_path):
    state = release.state() | {"epoch": Malicious(str(tmp_path / "executed"))}
    file = tmp_path / "checkpoint.pth.tar"
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match="cannot be loaded: it is damaged") as caught:
        convert_official(file, tmp_path / "ddan.pth.tar")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pth.tar"]


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        convert_official(tmp_path / "none", tmp_path / "out")
    (tmp_path / "page").write_text("<html>")
    with pytest.raises(ValueError, match="cannot be loaded: it is damaged"):
        convert_official(tmp_path / "page", tmp_path / "out")
