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
    """The folder of a converted release, in a file ``said`` what was said of it."""
    legacy = request.param == "legacy"
    folder = tmp_path_factory.mktemp("converted")
    file = folder / "checkpoint.pth.tar"
    state = release.state("" if legacy else "module.")
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    (folder / "said").write_text(convert_official(file, folder / "model" / "a"))
    return folder


def written(folder, part):
    return torch.load(folder / part / "a", weights_only=True)


def test_features_are_those_of_the_release(converted, release, images):
    expected = release.features(images)
    assert expected.std() > 0.1
    model = load_model(converted / "model" / "a")
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(model.classifier.weight, release.classifier.weight)
    assert torch.equal(model.classifier.bias, release.classifier.bias)


def test_torchreid_loads_the_model(converted, release, images, capsys):
    model = torchreid.models.build_model("ddan_mobilenetv2_x1_0", num_classes=3, pretrained=False)
    torchreid.utils.load_pretrained_weights(model, str(converted / "model" / "a"))
    assert "['classifier.weight', 'classifier.bias']" in capsys.readouterr().out
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(images), release.features(images), rtol=1e-5, atol=1e-5
        )


def test_discriminator_is_that_of_the_release(converted, release):
    discriminator = DomainDiscriminator(1280).eval()
    discriminator.load_state_dict(written(converted, "discriminator")["state_dict"])
    features = torch.randn(4, 1280)
    with torch.no_grad():
        torch.testing.assert_close(discriminator(features), release.domain_logits(features))


def test_pool_goes_on_from_the_released_representations(converted, release):
    state = written(converted, "identity_pool")["state_dict"]
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
    said = convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "out" / "a")
    assert "identity_domains" not in said
    folder = tmp_path / "out"  # which is not called "model", so the other parts lie in it
    pool = IdentityPool([0] * N, 1280, central_domain=None)
    pool.load_state_dict(written(folder, "identity_pool")["state_dict"])
    assert pool.identity_domains.tolist() == [0, 0, 1, 2, 3, 4, 4]
    details = torch.load(folder / "a", weights_only=True)["ddan"]
    assert details["central_domain"] == "cuhksysu"
    assert details["sources"] == ["market1501", "dukemtmcreid", "cuhk03", "cuhk02", "cuhksysu"]


def test_every_tensor_is_accounted_for(converted, release):
    state = release.state()
    total = sum(len(state[part]) for part in ("Encoder", "Transfer", "CamDis", "InvNet"))
    model = len(ddan_mobilenetv2(N, pretrained=False).state_dict())
    discriminator = len(DomainDiscriminator(1280).state_dict())
    taken = model + discriminator + 1
    last = len(release.encoder.features[18].state_dict())
    others = len(release.encoder.features.state_dict()) - last
    assert taken + last + 2 + others + 2 == total
    assert (converted / "said").read_text() == (
        f"{converted / 'checkpoint.pth.tar'}: {taken} tensors converted ({model} to model, "
        f"{discriminator} to discriminator, 1 to identity_pool), {total - taken} not needed "
        f"({last} Encoder.base.features.18.*, 2 Encoder.base.classifier.*, "
        f"{others} Transfer.base.features.0-17.*, 2 Transfer.base.classifier.*); epoch 100, "
        f"{N} identities; not the 18530 of the release, so the pool has no identity_domains"
    )


def test_the_file_to_convert_is_not_overwritten(release, tmp_path):
    torch.save(release.state(), tmp_path / "checkpoint.pth.tar")
    with pytest.raises(ValueError, match="is the file to convert; choose another name"):
        convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "checkpoint.pth.tar")


#: What is wrong, and the tensor that it is about with what takes its place; None: nothing.
BROKEN = [
    ("missing", "Encoder", "base.features.3.conv.0.0.weight", None),
    ("missing", "Transfer", "base.features.18.1.running_var", None),
    ("missing", "InvNet", "em", None),
    ("missing", "Transfer", "classifier.weight", None),
    ("unknown", "Transfer", "base.features.19.0.weight", torch.zeros(1)),
    ("unknown", "Encoder", "base.features.0.2.weight", torch.zeros(1)),
    ("of another shape", "InvNet", "em", torch.zeros(N, 640)),
    ("of another shape", "CamDis", "feat.weight", torch.zeros(64, 1280)),
]


def refused(state, tmp_path):
    """The line that refuses a file with this content; nothing is written."""
    torch.save(state, tmp_path / "checkpoint.pth.tar")
    with pytest.raises(ValueError, match="is not the authors' checkpoint") as caught:
        convert_official(tmp_path / "checkpoint.pth.tar", tmp_path / "ddan.pth.tar")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pth.tar"]
    return str(caught.value)


@pytest.mark.parametrize(("problem", "part", "key", "instead"), BROKEN)
def test_a_tensor_that_does_not_fit_is_an_error(problem, part, key, instead, release, tmp_path):
    state = release.state()
    state[part].pop(key, None)
    if instead is not None:
        state[part][key] = instead
    assert f"tensors {problem} (1), such as {part}.{key}" in refused(state, tmp_path)


def test_what_is_no_release_is_an_error(release, tmp_path):
    state = release.state()
    says = "it should hold CamDis, Encoder, InvNet, Transfer, epoch and holds Encoder"
    assert says in refused({"Encoder": state["Encoder"]}, tmp_path)
    assert "CamDis is no state dict" in refused(state | {"CamDis": 3}, tmp_path)


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
