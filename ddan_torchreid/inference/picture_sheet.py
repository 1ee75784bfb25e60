"""The picture sheet of ranked lists: the query on the left, its gallery images to the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..data.loose_images import printable
from ..system.files import replacing
from .retrieval import RankedList

QUERIES, HITS = 50, 20
"""Rows, and gallery images in a row, at the most: a larger picture is hard to open."""

PICTURE = (96, 192)
"""Width and height that a picture is fitted into, in pixels."""

GAP = 10
LINE = 14
INK, FRAME, EMPTY = "#202020", "#c03020", "#e4e4e4"


def picture_sheet(
    lists: Sequence[RankedList],
    path: Path,
    read: Callable[[str], Image.Image | None],
) -> None:
    """Writes a PNG file with a row for each query; beneath each picture similarity and file name.

    Args:
        lists: the first :data:`QUERIES` of them are shown, with :data:`HITS` images each.
        path: the file.
        read: gives the picture of a path, or None where there is none to show.
    """
    rows = lists[:QUERIES]
    columns = 1 + max(len(each.hits[:HITS]) for each in rows)
    cell = (PICTURE[0] + GAP, PICTURE[1] + 2 * LINE + GAP)
    # The query stands apart by a second gap.
    sheet = Image.new("RGB", (columns * cell[0] + 2 * GAP, len(rows) * cell[1] + GAP), "white")
    font = ImageFont.load_default(11)
    draw = ImageDraw.Draw(sheet)
    for row, each in enumerate(rows):
        top = GAP + row * cell[1]
        captions = [
            ("query", each.query),
            *((f"{hit.rank}   {hit.similarity:.3f}", hit.path) for hit in each.hits[:HITS]),
        ]
        for column, (caption, name) in enumerate(captions):
            left = GAP + column * cell[0] + (GAP if column else 0)
            sheet.paste(_fitted(read(name)), (left, top))
            if not column:
                box = (left - 2, top - 2, left + PICTURE[0] + 1, top + PICTURE[1] + 1)
                draw.rectangle(box, outline=FRAME, width=2)
            label = _shortened(printable(Path(name).name), font)
            middle = left + PICTURE[0] / 2
            for line, text in enumerate((caption, label)):
                place = (middle, top + PICTURE[1] + 3 + line * LINE)
                draw.text(place, text, INK, font, anchor="ma")
    with replacing(path) as unfinished:
        sheet.save(unfinished)


def _fitted(picture: Image.Image | None) -> Image.Image:
    if picture is None:
        return Image.new("RGB", PICTURE, EMPTY)
    return ImageOps.pad(picture, PICTURE, Image.Resampling.BICUBIC, color=EMPTY)


def _shortened(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A name without as much of its middle as does not fit under a picture."""
    if font.getlength(name) <= PICTURE[0]:
        return name
    # No name that fits is longer than its letters at the width of the narrowest ones.
    for kept in range(min(len(name), PICTURE[0] // 2), 0, -1):
        short = f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"
        if font.getlength(short) <= PICTURE[0]:
            return short
    return "…"
