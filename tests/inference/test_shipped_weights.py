"""The weights of the package: what they compute, and every way to start from them."""

from pathlib import Path

import numpy as np
import pytest
import release_weights
import torch
import torchreid

from ddan_torchreid import load_model
from ddan_torchreid.cli import main
from ddan_torchreid.inference.features import FeatureTable
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.integration import builder
from ddan_torchreid.models import shipped
from ddan_torchreid.system.state_files import details, read
from tests.commands.refused import refused

NAME = "ddan_mobilenetv2_in_bn_x1_0"
CARD = Path(__file__).parents[2] / "docs" / "model_card.md"
SAYS = f"Weights: {shipped.FILE.name}, which comes with the package; for research only\n"

# Every 128th number of features of `release_weights.pedestrians`, on the machine that made them.
SOME_FEATURES = [
    [-0.0223, 0.0272, -0.0311, 0.0133, 0.0331, 0.0317, -0.0336, -0.0093, 0.0157, -0.0042],
    [0.0040, -0.0043, -0.0075, -0.0043, 0.0393, -0.0297, -0.0286, -0.0238, 0.0038, -0.0123],
    [0.0219, -0.0015, 0.0012, -0.0263, 0.0088, -0.0329, -0.0035, -0.0341, -0.0259, -0.0221],
    [-0.0219, -0.0043, -0.0276, -0.0011, 0.0263, -0.0124, -0.0205, -0.0337, 0.0337, 0.0062],
    [-0.0171, -0.0092, -0.0288, 0.0129, -0.0003, -0.0326, -0.0255, -0.0316, -0.0105, 0.0144],
    [-0.0096, -0.0057, -0.0317, -0.0144, -0.0238, -0.0104, -0.0047, 0.0162, 0.0404, -0.0060],
    [-0.0131, -0.0059, -0.0220, 0.0232, 0.0498, 0.0162, 0.0018, -0.0317, 0.0205, 0.0146],
    [-0.0078, -0.0037, -0.0104, -0.0002, 0.0512, 0.0240, -0.0132, -0.0224, 0.0158, 0.0040],
]


@pytest.fixture
def crops(tmp_path):
    """Pedestrians that may be shown."""
    release_weights.pedestrians(load_trained_model(), tmp_path / "drawn")
    return tmp_path / "drawn" / "snow" / "bounding_box_train"


def test_features_are_those_of_the_machine_that_made_them(tmp_path):
    trained = load_trained_model()
    found = release_weights.features(trained, release_weights.pedestrians(trained, tmp_path))
    np.testing.assert_allclose(found[:, ::128], SOME_FEATURES, rtol=0, atol=1e-3)


def test_the_file_is_that_of_the_model_card_and_knows_no_persons():
    assert load_trained_model().sha256 in CARD.read_text(encoding="utf-8")
    state = read(shipped.FILE)
    assert state.keys() == {"state_dict", "ddan"}
    assert {key.split(".")[0] for key in state["state_dict"]} == {"encoder", "mapping", "neck"}
    assert {value.dtype for value in state["state_dict"].values()} == {torch.float16, torch.int64}
    assert details(state).keys() == set(release_weights.KEPT)
    assert shipped.FILE.stat().st_size < 6 * 2**20


def test_a_checkpoint_becomes_a_release(small_engine, tmp_path, capsys):
    engine = small_engine("ddan.neck", "bnneck")
    engine.save_model(0, 0.0, str(tmp_path))
    out = tmp_path / "new" / "weights.pth"
    assert release_weights.main([str(tmp_path / "model/model.pth.tar-1"), "-o", str(out)]) == 0
    assert load_trained_model(out).sha256 in capsys.readouterr().out
    images = torch.randn(4, 3, 64, 32)
    with torch.no_grad():
        found = load_model(out)(images)
        expected = engine.model.eval()(images)
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.01)
    wide = {"neck.weight": torch.tensor([1e6])}
    with pytest.raises(ValueError, match=r"neck\.weight has numbers that float16 cannot hold"):
        release_weights.half(wide)


def test_commands_use_them_where_none_are_named(crops, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    reading = ("--workers", "0", "--device", "cpu")
    assert main(["extract", str(crops), *reading]) == 0
    assert capsys.readouterr().out.startswith(SAYS)
    table = FeatureTable.load("features.npz")
    assert (table.model, table.height, table.width) == (NAME, 128, 64)
    assert main(["search", str(next(crops.iterdir())), "features.npz", *reading]) == 0
    assert capsys.readouterr().out.startswith(SAYS)
    assert main(["export", "--format", "torch"]) == 0
    assert capsys.readouterr().out.startswith(SAYS)
    assert Path("ddan_strong.pt2").is_file()


@pytest.mark.parametrize(
    "words", [[], ["--config-file", "ddan_strong.yaml"], ["model.load_weights", "ddan"]]
)
def test_evaluate_uses_them_where_none_are_named(words, real_root, tmp_path, monkeypatch, capsys):
    # Somebody's own: only who names it means it.
    monkeypatch.chdir(tmp_path)
    if "--config-file" not in words:
        Path("ddan_strong.yaml").write_text("data: {height: 64}")
    data = ("--root", str(real_root), "-t", "ilids", "data.workers", "0")
    assert main(["evaluate", *words, *data, "data.save_dir", str(tmp_path / "log")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(SAYS)
    assert "tested at" not in printed  # at the size that they were trained for
    assert "Rank-1" in printed
    said = refused(["evaluate", "--config-file", "ddan.yaml", *data], capsys)
    assert f"write model.name {NAME}, which it is of" in said
    said = refused(["evaluate", *data, "model.resume", "log"], capsys)
    assert said == "model.resume is for training; write --weights FILE to score a checkpoint"


def test_damaged_weights_are_refused_wherever_they_would_be_used(tmp_path, monkeypatch, capsys):
    content = bytearray(shipped.FILE.read_bytes())
    content[len(content) // 3] ^= 1
    monkeypatch.setattr(shipped, "FILE", tmp_path / "there.pth")
    Path(tmp_path, "crop.png").touch()
    extract = ["extract", tmp_path, "-o", tmp_path / "f.npz"]
    assert "there.pth cannot be read: No such file or directory; install" in refused(
        extract, capsys
    )
    shipped.FILE.write_bytes(content)
    says = "there.pth is damaged; install ddan_torchreid again, or name other weights"
    assert refused(extract, capsys).endswith(says)
    with pytest.raises(ValueError, match=says):
        load_model()
    with pytest.raises(ValueError, match=says):
        torchreid.models.build_model(NAME, 5, loss="ddan", pretrained="ddan")


def test_only_their_very_name_means_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_model(shipped.NAME).weights_from == str(shipped.FILE)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint 'ddan'"):
        load_model(Path("./ddan"))
    for name in ("DDAN", "ddan_strong.pth", Path("ddan")):
        with pytest.raises(ValueError, match=f"pretrained is '{name}'; write 'ddan' for the"):
            torchreid.models.build_model(NAME, 5, loss="ddan", pretrained=name)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (
            "16",
            "the images are too small: instance norm is left with a single pixel of them; write",
        ),
        ("4097", "height=4097, width=4097 is no image size: write 1 to 4096 each"),
    ],
)
def test_a_size_that_cannot_be_is_refused_in_a_line(size, says, crops, tmp_path, capsys):
    sizes = ("--height", size, "--width", size)
    commands = (["extract", crops, "--workers", "0", "-o", tmp_path / "f.npz"],
                ["export", "--format", "torch", "-o", tmp_path / "f.pt2"])  # fmt: skip
    for command in commands:
        assert refused([*command, *sizes], capsys).startswith(says)
    assert not [path for path in tmp_path.iterdir() if path.name != "drawn"]


def test_a_training_starts_from_them(small_config, capsys):
    wanted = load_model().state_dict()
    for fine_tune in ("True", "False"):
        config = small_config(
            "model.name", NAME, "model.load_weights", "ddan", "ddan.fine_tune", fine_tune
        )
        engine = builder.build(config)
        found = engine.model.state_dict()
        for key, value in wanted.items():
            if not key.startswith("classifier."):
                assert torch.equal(found[key], value), key
        assert found["classifier.weight"].shape[0] == engine.datamanager.num_train_pids
    assert "ddan_strong.pth" in capsys.readouterr().out


def test_a_model_is_built_with_them():
    built = torchreid.models.build_model(NAME, 5, loss="ddan", pretrained="ddan")
    assert built.classifier.weight.shape[0] == 5
    assert built.weights_from == str(shipped.FILE)
    images = torch.randn(2, 3, 128, 64)
    with torch.no_grad():
        assert torch.equal(built.eval()(images), load_model()(images))


@pytest.mark.parametrize("name", ["ddan_mobilenetv2_x1_0", "ddan_osnet_x0_25"])
def test_another_network_cannot_start_from_them(name):
    with pytest.raises(ValueError, match=f"the weights 'ddan' are of {NAME}, not of {name}; build"):
        torchreid.models.build_model(name, 5, loss="ddan", pretrained="ddan")
