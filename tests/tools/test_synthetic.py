"""Synthetic domains: the same pixels everywhere, people who stay themselves, readable folders."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import synthetic
import torchreid
from PIL import Image
from synthetic import DOMAINS, draw, draw_image

from ddan_torchreid.data.datasets import check
from ddan_torchreid.integration.registry import datasets

TOOLS = Path(synthetic.__file__).parents[1]
SMALL = {"identities": 3, "images": 2, "test_identities": 2, "size": (32, 16), "progress": False}


def digest(*shot):
    return hashlib.sha256(draw_image(*shot).tobytes()).hexdigest()


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def distance(one, other):
    """Between the mean colours of the middle of two lists of images, in grey levels."""
    means = [
        np.mean([np.asarray(image, float)[20:100, 22:42].mean((0, 1)) for image in images], 0)
        for images in (one, other)
    ]
    return np.linalg.norm(means[0] - means[1])


def test_an_image_is_the_same_in_another_process_and_after_others():
    draw_image("campus", 3, 0, 0)
    code = (
        "import hashlib; from synthetic import draw_image;"
        "print(hashlib.sha256(draw_image('campus', 7, 1, 2).tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TOOLS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest("campus", 7, 1, 2)


def test_every_argument_changes_the_image():
    shots = [("plaza", 1, 0, 0), ("mall", 1, 0, 0), ("plaza", 2, 0, 0), ("plaza", 1, 1, 0)]
    shots.append(("plaza", 1, 0, 1))
    assert len({digest(*shot) for shot in shots}) == len(shots)
    assert draw_image("plaza", 1, 0, 0, 64, 32).size == (32, 64)


@pytest.mark.parametrize("name", DOMAINS)
def test_people_stay_themselves_within_and_across_cameras(name):
    """The colour of the body varies less between a person's images than between persons."""
    cameras, people = range(len(DOMAINS[name].scenes)), range(12)
    images = {
        (person, camera): [draw_image(name, person, camera, index) for index in range(3)]
        for person in people
        for camera in cameras
    }
    own = [distance(images[person, 0], images[person, 1]) for person in people]
    others = [
        distance(images[one, 0], images[other, 1])
        for one in people
        for other in people
        if one != other
    ]
    assert np.mean(own) < 0.85 * np.mean(others)


def test_domains_differ_in_brightness_and_colour():
    def colours(name):
        images = [draw_image(name, person, 0, 0, 32, 16) for person in range(12)]
        return np.mean([np.asarray(image, float).mean((0, 1)) for image in images], 0)

    means = {name: colours(name) for name in DOMAINS}
    for name, mean in means.items():
        nearest = min(np.linalg.norm(mean - means[other]) for other in DOMAINS if other != name)
        assert nearest > 8, name
    assert means["night"].mean() < 90 < 130 < means["snow"].mean()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_has_market_1501s_layout(tmp_path, workers):
    folders = draw(tmp_path, ["film", "snow"], **SMALL, workers=workers)
    assert sorted(tmp_path.iterdir()) == [folders["film"], folders["snow"]]
    parts = Counter(path.parent.name for path in folders["film"].rglob("*.jpg"))
    cameras = len(DOMAINS["film"].scenes)
    assert parts == {
        "bounding_box_train": 3 * 2 * cameras,
        "query": 2 * cameras,
        "bounding_box_test": 2 * 2 * cameras,
    }
    path = folders["film"] / "bounding_box_train" / "0002_c1_0.jpg"
    difference = np.asarray(Image.open(path), float) - draw_image("film", 2, 0, 0, 32, 16)
    assert np.abs(difference).mean() < 8  # of the JPEG compression
    again = draw(tmp_path / "again", ["snow"], **SMALL)
    assert files_of(again["snow"]) == files_of(folders["snow"])


def test_the_package_reads_them_without_knowing_them(tmp_path):
    folders = draw(tmp_path, ["campus", "airport"], **SMALL)
    own = {f"read_{name}": folder for name, folder in folders.items()}
    synthetic.register(own)
    for name, folder in own.items():
        assert not check.check_own(name, str(folder)).problems
    manager = torchreid.data.ImageDataManager(
        sources=["read_campus"], targets=["read_airport"], height=32, width=16, use_gpu=False,
        workers=0, batch_size_train=4, batch_size_test=4,
    )  # fmt: skip
    assert (manager.num_train_pids, manager.num_train_cams) == (3, 3)
    assert len(manager.train_loader.dataset) == 3 * 3 * 2
    assert len(manager.test_loader["read_airport"]["query"].dataset) == 2 * 3
    only = draw(tmp_path / "target", ["airport"], **SMALL | {"identities": 0})
    synthetic.register({"read_target": only["airport"]})
    with pytest.raises(ValueError, match="has no training images"):
        datasets()["read_target"](mode="train")


def test_a_folder_that_is_there_is_left_alone_or_refused(tmp_path):
    folder = draw(tmp_path, ["film"], **SMALL)["film"]
    image = next(folder.rglob("*.jpg"))
    image.unlink()
    assert draw(tmp_path, ["film"], **SMALL) == {"film": folder}
    assert not image.exists()
    with pytest.raises(
        FileExistsError, match=r"identities=3 .* not .* identities=4 .*another root"
    ):
        draw(tmp_path, ["film"], **SMALL | {"identities": 4})
    (folder / "synthetic.txt").unlink()
    with pytest.raises(FileExistsError, match="no record of how it was made"):
        draw(tmp_path, ["film"], **SMALL)


def test_nothing_is_left_of_a_drawing_that_fails(tmp_path, monkeypatch):
    def fail(self, *_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        draw(tmp_path, ["film"], **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ["plazza"]}, "no synthetic domain 'plazza'; did you mean 'plaza'"),
        ({"identities": -1}, "identities=-1 must be a whole number, 0 or more"),
        ({"identities": 0, "test_identities": 0}, "draw nothing"),
        ({"identities": 5001}, "identities=5001 must be below 5001"),
        ({"images": 0}, "images=0 must be a whole number, 1 or more"),
        ({"size": (8, 16)}, "height=8 must be a whole number, 16 or more"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_bad_numbers_and_names(tmp_path, changes, says):
    with pytest.raises(ValueError, match=says):
        draw(tmp_path, **{"names": ["film"], **SMALL, **changes})
    assert list(tmp_path.iterdir()) == []
