"""Pictures come from inside a folder, or not at all."""

import io

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.report.pictures import FRAME, HEIGHT, WIDEST, WIDTH, Folder, strip, whole


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "results"
    inside.mkdir()
    image = Image.new("RGB", (20, 40), "red")
    image.save(inside / "inside.png")
    image.save(tmp_path / "outside.png")
    (tmp_path / "results-too").mkdir()
    image.save(tmp_path / "results-too" / "neighbour.png")
    (inside / "link.png").symlink_to(tmp_path / "outside.png")
    (inside / "circle").symlink_to(inside / "circle")
    (inside / "text.png").write_text("<svg>no picture</svg>")
    return Folder(inside)


def test_a_picture_inside_is_read(folder):
    assert folder.read("inside.png").size == (20, 40)
    assert folder.read("./x/../inside.png").size == (20, 40)
    assert folder.left_out == []


@pytest.mark.parametrize(
    "name",
    [
        "../outside.png",
        "../results-too/neighbour.png",
        "link.png",
        "../../../../../../etc/hostname",
        "/etc/hostname",
    ],
)
def test_files_outside_are_refused(folder, name):
    assert folder.read(name) is None
    assert folder.left_out == [f"{name} lies outside the folder of the results"]


def test_an_absolute_path_is_refused_even_if_it_lies_inside(folder, tmp_path):
    assert folder.read(str(tmp_path / "results" / "inside.png")) is None


@pytest.mark.parametrize("name", ["nowhere.png", "", ".", "circle", "a\0b", "x" * 5000])
def test_what_is_no_file_is_left_out(folder, name):
    assert folder.read(name) is None
    assert len(folder.left_out) == 1


def test_what_is_no_picture_is_left_out_once(folder):
    assert folder.read("text.png") is None
    assert folder.read("text.png") is None
    assert folder.left_out == ["text.png is no picture that can be read"]


def test_a_picture_too_large_to_be_one_is_left_out(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert folder.read("inside.png") is None


def test_only_folders_directly_inside_are_found(folder, tmp_path):
    (tmp_path / "results" / "below").mkdir()
    assert folder.has("below")
    assert not folder.has("inside.png")
    assert not folder.has("../results-too")
    assert not folder.has("..")


def test_right_and_wrong_differ_in_shape_not_only_in_colour():
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    sheet = np.asarray(
        Image.open(io.BytesIO(strip([image, image], ["right", "wrong"]))).convert("L")
    )
    below = sheet[HEIGHT + 2 * FRAME :] < 160
    half = below.shape[1] // 2
    marks = below[:, :half], below[:, half : 2 * half]
    # A cross is its own mirror image, a tick is not.
    tick, cross = (np.mean(mark ^ mark[:, ::-1]) for mark in (m[:, m.any(0)] for m in marks))
    assert tick > 2 * cross


def test_strips_have_a_place_for_a_missing_picture():
    one = Image.new("RGB", (30, 30))
    with_gap = Image.open(io.BytesIO(strip([one, None], ["A", "B"])))
    assert with_gap.size == Image.open(io.BytesIO(strip([one, one], ["A", "B"]))).size


def test_large_pictures_are_made_smaller_and_lose_what_else_they_held(tmp_path):
    large = Image.new("RGB", (2 * WIDEST, 100))
    large.info["comment"] = b"secret"
    data = whole(large)
    assert Image.open(io.BytesIO(data)).width == WIDEST
    assert b"secret" not in data
