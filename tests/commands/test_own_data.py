"""``--dataset NAME=PATH``: training and scoring on data of one's own, without writing a class."""

import csv
from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.data.datasets.listing import FOLDERS
from ddan_torchreid.system import state_files
from tests.commands.refused import refused
from tests.small_data import CONFIG

SMALL = ["--config-file", CONFIG, "ddan.central_domain", "north", "train.max_epoch", "1"]


@pytest.fixture
def listing(small_root, tmp_path):
    """A CSV of two domains, written from synthetic ones."""
    with (tmp_path / "crops.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "pid", "camid", "domain", "split"])
        for domain, name in (("north", "film"), ("south", "mall")):
            for split, folder in FOLDERS.items():
                for path in sorted((small_root / name / folder).iterdir()):
                    pid, camera, _ = path.stem.split("_")
                    writer.writerow([path, f"{domain}-{pid}", camera, domain, split])
    return tmp_path / "crops.csv"


def test_own_domains_train_and_are_scored(listing, small_root, tmp_path, capsys):
    own = ["--dataset", f"north={listing}#north", "--dataset", f"south={listing}#south"]
    words = [*own, "-s", "north", "south", "-t", "snow", "--root", str(small_root)]
    save_dir = ["data.save_dir", str(tmp_path / "log")]
    assert main(["train", *SMALL, *words, *save_dir]) == 0
    weights = tmp_path / "log" / "model" / "model.pth.tar-1"
    assert state_files.details(state_files.read(weights))["sources"] == ["north", "south"]
    words = [*own, "-s", "north", "south", "-t", "south", "--root", str(small_root)]
    assert main(["evaluate", *SMALL, *words, *save_dir, "--weights", str(weights)]) == 0
    assert "Evaluating south (source)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("own", "targets", "says"),
    [
        ("north", "snow", "NAME=PATH"),
        ("viper={csv}", "viper", "viper"),
        ("north={csv}", "snow", "#"),
        ("north={csv}#west", "snow", "has the domains north, south"),
        ("north=nowhere.csv", "snow", "nowhere.csv"),
    ],
)
def test_bad_input_is_one_line(own, targets, says, listing, small_root, capsys):
    words = ["--dataset", own.format(csv=listing), "-t", targets, "--root", str(small_root)]
    assert says.lower() in refused(["train", *SMALL, *words], capsys).lower()


def test_a_listing_without_splits_is_not_both_source_and_target(small_root, tmp_path, capsys):
    listing = tmp_path / "plain.csv"
    images = sorted(Path(small_root, "mall", "bounding_box_train").iterdir())
    rows = [f"{path},{path.name[:4]},{path.name[6]}" for path in images]
    listing.write_text("\n".join(["path,pid,camid", *rows]))
    words = ["--dataset", f"north={listing}", "--root", str(small_root)]
    words += ["-s", "north", "film", "-t", "north"]
    assert "both source and target" in refused(["train", *SMALL, *words], capsys)
