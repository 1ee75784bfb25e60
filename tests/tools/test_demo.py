"""The demonstration as a newcomer gets it, with few identities and one epoch."""

import demo
import numpy as np
import pytest
import synthetic
from PIL import Image


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Its folder, and the lines of its table by target and features."""
    folder = tmp_path_factory.mktemp("demo") / "runs"
    assert demo.main(["--quick", "--output", str(folder)]) == 0
    lines = (folder / "results.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:22]]
    return folder, {(target, name): list(map(float, row)) for target, name, *row in cells}


def test_every_target_has_its_pixels_the_network_before_and_after_and_the_shipped_one(shown):
    _, table = shown
    targets = [*synthetic.TARGETS, "mean"]
    names = ("raw pixels", "untrained", "DDAN", "shipped weights")
    assert list(table) == [(target, name) for target in targets for name in names]
    for rank1, rank5, rank10, mean_ap in table.values():
        assert 0 <= rank1 <= rank5 <= rank10 <= 100
        assert 0 < mean_ap <= 100
    for name in names:
        over_targets = np.mean([table[target, name] for target in synthetic.TARGETS], axis=0)
        assert table["mean", name] == pytest.approx(over_targets, abs=0.11)
    # Training has changed what is ranked.
    assert [row for key, row in table.items() if "DDAN" in key] != [
        row for key, row in table.items() if "untrained" in key
    ]


def test_it_leaves_a_checkpoint_a_log_and_a_picture(shown):
    folder, _ = shown
    assert (folder / "model" / "model.pth.tar-1").is_file()
    assert "=> Start training" in (folder / "train.log").read_text()
    picture = np.asarray(Image.open(folder / "ranking.png")).astype(int).reshape(-1, 3)
    for colour in (demo.RIGHT, demo.WRONG):
        assert (picture == colour).all(1).any()


def test_no_epochs_are_refused(capsys):
    with pytest.raises(SystemExit):
        demo.main(["--epochs", "0"])
    assert "--epochs 0 must be a whole number above 0" in capsys.readouterr().err
