"""Pictures of ranked lists: one for each query, under whatever names the files have."""

import os

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.evaluation.ranked_pictures import FRAME, GAP, QUERY_GAP, draw_ranked_lists

SIZE = (16, 32)  # width and height
GREY = (127, 127, 127)


def write(path, color):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.new("RGB", (8, 8), color).save(file, "PNG")
    return str(path)


def draw(folder, distances, queries, gallery, topk=10):
    draw_ranked_lists(
        np.array(distances), (queries, gallery), "image", *SIZE, str(folder / "out"), topk
    )
    return sorted(os.listdir(folder / "out"))


def color_at(picture, place, part):
    """Of the frame or the inside of the query (place 0) or of a rank."""
    left = place * (SIZE[0] + GAP) + (QUERY_GAP if place else 0)
    pixel = (left + 1, 1) if part == "frame" else (left + SIZE[0] // 2, SIZE[1] // 2)
    return picture.getpixel(pixel)


def near(color, name):
    return np.abs(np.subtract(color, name)).max() < 60  # JPEG


def test_a_picture_shows_the_nearest_with_frames_for_right_and_wrong(tmp_path):
    query = [(write(tmp_path / "q.png", "red"), 1, 0)]
    gallery = [
        (write(tmp_path / "far.png", "yellow"), 1, 1),
        (write(tmp_path / "own camera.png", "white"), 1, 0),
        (write(tmp_path / "near.png", "blue"), 2, 0),
        (str(tmp_path / "gone.png"), 2, 1),
    ]
    assert draw(tmp_path, [[0.3, 0.0, 0.1, 0.4]], query, gallery) == ["q.jpg"]
    picture = Image.open(tmp_path / "out" / "q.jpg")
    expected = [
        ((0, 0, 0), (255, 0, 0)),
        ((255, 0, 0), (0, 0, 255)),
        ((0, 255, 0), (255, 255, 0)),
        ((255, 0, 0), (228, 228, 228)),
        ((255, 255, 255), (255, 255, 255)),
    ]
    for place, colors in enumerate(expected):
        for part, color in zip(("frame", "inside"), colors, strict=True):
            assert near(color_at(picture, place, part), color), (place, part)
    draw(tmp_path, [[0.3, 0.0, 0.1, 0.4]], query, gallery, topk=1)
    picture = Image.open(tmp_path / "out" / "q.jpg")
    assert picture.size == (2 * SIZE[0] + GAP + QUERY_GAP, SIZE[1])
    assert SIZE[0] > 2 * FRAME


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/1.png", "b/2.png"], ["1.jpg", "2.jpg"]),
        (["a/1.png", "b/1.png", "b/1.bmp", "x/a/1.png", "b/2.png"],
         ["2.jpg", "a_1-2.jpg", "a_1.jpg", "b_1-2.jpg", "b_1.jpg"]),
        (["a/x.png", "b/X.png"], ["a_x.jpg", "b_X.jpg"]),
        (["a/人 ž.png", "a/" + os.fsdecode(b"\xff\xfe.png")],
         sorted(["人 ž.jpg", os.fsdecode(b"\xff\xfe.jpg")])),
        (["a/" + "ž" * 125 + ".png"], ["ž" * 100 + ".jpg"]),
        ([os.fsdecode(b"\xe9") + "/1.png", "b/1.png"],
         sorted([os.fsdecode(b"\xe9") + "_1.jpg", "b_1.jpg"])),
    ],
)  # fmt: skip
def test_every_query_has_a_picture_of_its_own(tmp_path, names, expected):
    queries = [(write(tmp_path / name, GREY), number, 0) for number, name in enumerate(names)]
    gallery = [(write(tmp_path / "gallery.png", GREY), 0, 1)]
    assert draw(tmp_path, [[0.5]] * len(names), queries, gallery) == sorted(expected)


def test_a_picture_has_no_more_ranks_than_a_file_can_hold(tmp_path):
    query = [(write(tmp_path / "q.png", GREY), 1, 0)]
    assert draw(tmp_path, [[0.5]], query, query, topk=10**6) == ["q.jpg"]
