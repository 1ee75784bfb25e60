"""The picture sheet of ranked lists."""

import numpy as np
from PIL import Image

from ddan_torchreid.inference.picture_sheet import PICTURE, picture_sheet
from ddan_torchreid.inference.retrieval import Hit, RankedList

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 190)}


def test_sheet_shows_query_then_gallery(tmp_path):
    solid = {name: Image.new("RGB", (32, 64), colour) for name, colour in COLOURS.items()}
    hits = [Hit(1, 0.9, "green"), Hit(2, 0.5, "nowhere"), Hit(3, 0.1, "blue")]
    lists = [RankedList("red", hits), RankedList("blue", hits[:1])]
    path = tmp_path / "sheet.png"
    picture_sheet(lists, path, solid.get)
    pixels = np.asarray(Image.open(path)).astype(int)

    def columns(colour, rows):
        exact = (pixels[rows] == colour).all(2).any(0)
        starts = np.flatnonzero(np.diff(exact.astype(int), prepend=0) == 1)
        return starts.tolist(), int(exact.sum())

    middle = len(pixels) // 2
    top, bottom = slice(0, middle), slice(middle, None)
    (red,), width = columns(COLOURS["red"], top)
    assert width == PICTURE[0]
    (green,), _ = columns(COLOURS["green"], top)
    (blue,), _ = columns(COLOURS["blue"], top)
    assert red + PICTURE[0] < green < green + 2 * PICTURE[0] < blue
    assert columns(COLOURS["blue"], bottom)[0] == [red]
    assert columns(COLOURS["green"], bottom)[0] == [green]
    assert columns(COLOURS["red"], bottom)[0] == []


def test_names_of_any_characters_on_a_sheet(tmp_path):
    names = ["$\\frac{1}{$.png", "long" * 60, "line\nbreak", "\udcff", "人物.png", "%s {0} <b>"]
    hits = [Hit(place, 0.5, name) for place, name in enumerate(names, start=1)]
    picture_sheet([RankedList("", hits)], tmp_path / "sheet.png", lambda _: None)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < 900
