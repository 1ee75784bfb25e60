"""Loading a checkpoint without its architecture's name, and with torchreid's FeatureExtractor."""

import numpy as np
import pytest
import torch
import torchreid
from PIL import Image
from torch import Tensor, nn

from ddan_torchreid import DomainDiscriminator
from ddan_torchreid.models import BACKBONES, FACTORIES, DDANModel, load_model
from ddan_torchreid.models.official import RELEASE_PARTS

ALL = FACTORIES | BACKBONES
N = 11


def images() -> Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))


def trained(name: str, identities: int = N) -> DDANModel:
    """A model whose running statistics are no longer those of a new one."""
    torch.manual_seed(0)
    model = ALL[name](num_classes=identities, loss="ddan", pretrained=False).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, 3, 64, 32))
    return model.eval()


def features(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(images())


def state_of(model: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    return {prefix + key: value for key, value in model.state_dict().items()}


RECOGNISED = {
    "ddan_mobilenetv2_x0_5": "module.",
    "ddan_mobilenetv2_in_bn_x0_35": "",
    "ddan_osnet_x0_25": "module.",
    "ddan_osnet_ain_x1_0": "",
    "ddan_resnet50": "",
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_architecture_and_identities_are_found_from_the_tensors(name, tmp_path):
    model = trained(name)
    state = {"state_dict": state_of(model, RECOGNISED[name]), "epoch": 3, "rank1": 0.5}
    torch.save(state, tmp_path / "model.pth.tar-3")
    torch.manual_seed(7)
    before = torch.get_rng_state()
    loaded = load_model(tmp_path / "model.pth.tar-3")
    assert torch.equal(torch.get_rng_state(), before)
    assert not loaded.training
    assert (loaded.num_classes, loaded.feature_dim) == (N, model.feature_dim)
    assert [type(m) for m in loaded.modules()] == [type(m) for m in model.modules()]
    assert torch.equal(features(loaded), features(model))


@pytest.mark.parametrize("metadata", [False, True], ids=["bare", "named"])
@pytest.mark.parametrize(
    "name", ["ddan_mobilenetv2_in_bn_x0_35", "ddan_osnet_x0_25", "ddan_resnet50"]
)
def test_a_model_without_a_neck_is_loaded_without_one(name, metadata, tmp_path):
    model = trained(name)
    with_neck = features(model)
    model.drop_neck()
    file = tmp_path / "model.pth.tar-1"
    details = {"ddan": {"model": name}} if metadata else {}
    torch.save({"state_dict": state_of(model, "module."), "epoch": 1, **details}, file)
    loaded = load_model(file)
    assert not loaded.has_neck
    assert torch.equal(features(loaded), features(model))
    assert not torch.allclose(features(loaded), with_neck, rtol=0.01)
    # torchreid builds a neck, and a new one only scales.
    extractor = torchreid.utils.FeatureExtractor(
        model_name=name, model_path=str(file), image_size=(64, 32), device="cpu", verbose=False
    )
    scaled = features(model) * 0.999995
    torch.testing.assert_close(extractor(images()), scaled, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_architecture_is_recognised(name, tmp_path):
    model = trained(name)
    torch.save(model.state_dict(), tmp_path / "file")
    assert torch.equal(features(load_model(tmp_path / "file")), features(model))


@pytest.mark.slow
def test_no_two_architectures_are_taken_for_each_other():
    signatures = {}
    for name, factory in ALL.items():
        with torch.device("meta"):
            state = factory(num_classes=1, pretrained=False).state_dict()
        signatures[name] = tuple((key, tuple(value.shape)) for key, value in state.items())
    assert len(set(signatures.values())) == len(ALL)


@pytest.mark.parametrize(
    ("name", "prefix"), [("ddan_mobilenetv2_in_bn_x0_35", "module."), ("ddan_osnet_x0_25", "")]
)
def test_name_in_the_checkpoint_is_used(name, prefix, tmp_path, monkeypatch):
    model = trained(name)
    state = {"state_dict": state_of(model, prefix), "ddan": {"model": name, "identities": N}}
    torch.save(state, tmp_path / "named")
    built = []
    for other, factory in ALL.items():
        registry = FACTORIES if other in FACTORIES else BACKBONES
        monkeypatch.setitem(
            registry, other, lambda f=factory, n=other, **kw: built.append(n) or f(**kw)
        )
    assert torch.equal(features(load_model(tmp_path / "named")), features(model))
    assert built == [name]


def test_bare_state_dict_metadata_without_a_name_and_numpy_scalars(tmp_path):
    model = trained("ddan_mobilenetv2_x0_35")
    torch.save(model.state_dict(), tmp_path / "bare")
    torch.save({"state_dict": model.state_dict(), "ddan": {"sources": ["a"]}}, tmp_path / "old")
    # As torchreid's own engines save it.
    torch.save({"state_dict": model.state_dict(), "rank1": np.float32(0.5)}, tmp_path / "numpy")
    for file in ("bare", "old", "numpy"):
        assert torch.equal(features(load_model(tmp_path / file)), features(model)), file


def test_network_registered_with_torchreid_only(tmp_path, monkeypatch):
    factory = FACTORIES["ddan_mobilenetv2_x0_35"]
    model = trained("ddan_mobilenetv2_x0_35")
    torch.save({"state_dict": model.state_dict(), "ddan": {"model": "mine"}}, tmp_path / "file")
    with pytest.raises(ValueError, match="is of 'mine', which torchreid does not know; import"):
        load_model(tmp_path / "file")
    monkeypatch.setitem(torchreid.models.__dict__["__model_factory"], "mine", factory)
    assert torch.equal(features(load_model(tmp_path / "file")), features(model))


@pytest.mark.parametrize("metadata", [{}, {"model": "ddan_mobilenetv2_x0_35"}])
def test_a_file_without_a_classifier_gets_a_new_one(metadata, tmp_path):
    model = trained("ddan_mobilenetv2_x0_35")
    kept = {k: v for k, v in model.state_dict().items() if not k.startswith("classifier.")}
    torch.save({"state_dict": kept, "ddan": metadata}, tmp_path / "file")
    loaded = load_model(tmp_path / "file")
    assert loaded.num_classes == 1
    assert torch.equal(features(loaded), features(model))


def test_files_of_something_else(tmp_path):
    model = trained("ddan_mobilenetv2_x0_35")
    weights = model.state_dict()
    osnet = torchreid.models.build_model("osnet_x0_25", num_classes=2, pretrained=False)
    no_mapping = {k: v for k, v in weights.items() if not k.startswith("mapping.")}
    wide = weights | {"encoder.0.0.weight": torch.zeros(5, 3, 3, 3)}
    cases = {
        "is not of a DDAN model": {"state_dict": DomainDiscriminator(8).state_dict()},
        "give the file of the folder 'model'": osnet.state_dict(),
        "which has an encoder and a mapping": no_mapping,
        "fits none of ddan_mobilenetv2_x0_35, ": wide,
        "says that it is of ddan_mobilenetv2_x0_5, whose tensors": {
            "state_dict": weights,
            "ddan": {"model": "ddan_mobilenetv2_x0_5"},
        },
        "the state_dict of .*file is no dict but list": {"state_dict": [1]},
        "is the authors' release; convert it": {key: {} for key in RELEASE_PARTS} | {"epoch": 1},
    }
    for message, content in cases.items():
        torch.save(content, tmp_path / "file")
        with pytest.raises(ValueError, match=message) as caught:
            load_model(tmp_path / "file")
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_model(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "identities", "prefix"),
    [
        ("ddan_mobilenetv2_x1_0", N, "module."),
        ("ddan_mobilenetv2_x1_0", 1, ""),
        ("ddan_osnet_x0_75", N, ""),
    ],
)
def test_feature_extractor_of_torchreid(name, identities, prefix, tmp_path):
    model = trained(name, identities)
    file = tmp_path / "model.pth.tar-1"
    torch.save({"state_dict": state_of(model, prefix), "epoch": 1, "rank1": 0.1}, file)
    extractor = torchreid.utils.FeatureExtractor(
        model_name=name, model_path=str(file), image_size=(64, 32), device="cpu", verbose=False
    )
    expected = features(load_model(file))
    assert torch.equal(expected, features(model))
    assert torch.equal(extractor(images()), expected)

    pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    normalised = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tensor = torch.from_numpy(normalised).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        torch.testing.assert_close(
            extractor([str(tmp_path / "image.png")]), model(tensor), rtol=1e-5, atol=1e-5
        )
