"""Photographs in a report: read from inside one folder only, and drawn into strips."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

HEIGHT, WIDTH = 160, 80
"""Of one photograph in a strip, in pixels: twice what a page shows."""
FRAME, GAP, LINE = 5, 8, 30
WIDEST = 1600
RIGHT, WRONG, OTHER = "#0072B2", "#D55E00", "#777777"


class Folder:
    """A folder that pictures are read from, and no file outside it.

    Attributes:
        left_out: one line for each file that was asked for and not read, and why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self.left_out: list[str] = []

    def has(self, name: str) -> bool:
        """Whether there is a folder of this name directly inside."""
        path = (self._path / name).resolve()
        return path.parent == self._path and path.is_dir()

    def find(self, name: str) -> Path | None:
        """The file of a relative path; None, and a line in ``left_out``, if there is none.

        Links are followed before it is judged where a file lies.
        """
        try:
            path = (self._path / name).resolve()
            inside = not Path(name).is_absolute() and path.is_relative_to(self._path)
            found = inside and path.is_file()
        except (OSError, ValueError, RuntimeError):
            # A name that no file system takes, or links in a circle.
            inside, found = True, False
        if not found:
            why = "is not there" if inside else "lies outside the folder of the results"
            self.skip(name, why)
            return None
        return path

    def skip(self, name: str, why: str) -> None:
        """Notes a file that is left out."""
        line = f"{name} {why}"
        if line not in self.left_out:
            self.left_out.append(line)

    def read(self, name: str) -> Image.Image | None:
        """The picture of a relative path, in RGB; None if there is none that can be read."""
        path = self.find(name)
        if path is None:
            return None
        try:
            with warnings.catch_warnings():
                # A picture of a hundred million pixels is no photograph of a person.
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    return ImageOps.exif_transpose(image).convert("RGB")
        except Exception:
            # A damaged file raises whatever its decoder met first.
            self.skip(name, "is no picture that can be read")
            return None


def whole(image: Image.Image) -> bytes:
    """A picture as JPEG, at most ``WIDEST`` pixels wide, without what else its file held."""
    if image.width > WIDEST:
        image = ImageOps.contain(image, (WIDEST, WIDEST * 8))
    return _jpeg(image)


def strip(images: Sequence[Image.Image | None], signs: Sequence[str]) -> bytes:
    """Photographs side by side, as JPEG; a sign below each, so that no colour is needed.

    Args:
        images: None where a picture is missing.
        signs: below each: ``right`` and ``wrong`` as a tick and a cross in a frame of their
            colour, other words as they are.
    """
    cell = WIDTH + 2 * FRAME + GAP
    sheet = Image.new("RGB", (len(images) * cell - GAP, HEIGHT + 2 * FRAME + LINE), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), 21)
    for place, (image, sign) in enumerate(zip(images, signs, strict=True)):
        left = place * cell
        colour = {"right": RIGHT, "wrong": WRONG}.get(sign, OTHER)
        text = {"right": "\N{CHECK MARK}", "wrong": "\N{MULTIPLICATION X}"}.get(sign, sign)
        if image is None:
            fitted = Image.new("RGB", (WIDTH, HEIGHT), "#e4e4e4")
        else:
            fitted = ImageOps.pad(image, (WIDTH, HEIGHT), color="#e4e4e4")
        sheet.paste(ImageOps.expand(fitted, FRAME, colour), (left, 0))
        middle = left + FRAME + WIDTH / 2
        draw.text((middle, HEIGHT + 2 * FRAME + 3), text, colour, font, anchor="ma")
    return _jpeg(sheet)


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image = image.copy()
    # Comments and colour profiles would be copied.
    image.info = {}
    image.save(file, "JPEG", quality=88, optimize=True)
    return file.getvalue()
