"""A picture of ranked results: each query, then its nearest gallery images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps

from .ablation import short

HEIGHT, WIDTH, FRAME, GAP = 128, 64, 4, 6
TITLE = 18
RIGHT, WRONG = (0, 160, 0), (210, 0, 0)


def ranking_sheet(
    rankings: Mapping[str, Sequence[Mapping[str, Any]]], root: str | Path, path: Path
) -> None:
    """Draws a block for each target, right matches framed in green and wrong ones in red.

    Args:
        rankings: as :mod:`.records` has them.
        root: data root, which their files are relative to.
        path: the PNG file to write.
    """
    root = Path(root)
    cell = (WIDTH + 2 * FRAME + GAP, HEIGHT + 2 * FRAME + GAP)
    blocks = {name: ranked for name, ranked in rankings.items() if ranked}
    longest = max(len(each["gallery"]) for ranked in blocks.values() for each in ranked)
    height = sum(TITLE + len(ranked) * cell[1] for ranked in blocks.values())
    sheet = Image.new("RGB", (GAP + (longest + 1) * cell[0] + GAP, GAP + height), "white")
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for name, ranked in blocks.items():
        draw.text((GAP, top), f"{short(name)}: query, then its nearest images", fill="black")
        top += TITLE
        for each in ranked:
            _paste(sheet, root / each["query"], GAP, top, (120, 120, 120))
            for place, (file, right) in enumerate(each["gallery"], start=1):
                left = 2 * GAP + place * cell[0]
                _paste(sheet, root / file, left, top, RIGHT if right else WRONG)
            top += cell[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _paste(sheet: Image.Image, file: Path, left: int, top: int, colour: tuple) -> None:
    with Image.open(file) as image:
        small = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    sheet.paste(ImageOps.expand(small, FRAME, colour), (left, top))
