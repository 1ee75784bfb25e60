"""Writes a contact sheet of the synthetic domains: a row for each identity, by camera.

python tools/contact_sheet.py sheet.png
python tools/contact_sheet.py plaza.png --domains plaza --identities 8 --images 4
"""

from __future__ import annotations

import argparse

from PIL import Image
from synthetic import DOMAINS, draw_image, find_domain

GAP = 2


def sheet(names: list[str], identities: int, images: int, size: tuple[int, int]) -> Image.Image:
    """Rows of images: for each domain its identities, with some images by each camera."""
    rows = [
        [
            draw_image(name, identity, camera, index, *size)
            for camera in range(len(find_domain(name).scenes))
            for index in range(images)
        ]
        for name in names
        for identity in range(1, identities + 1)
    ]
    high, wide = size[0] + GAP, size[1] + GAP
    picture = Image.new("RGB", (max(map(len, rows)) * wide, len(rows) * high), (128, 128, 128))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            picture.paste(image, (x * wide, y * high))
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="image file to write")
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS), metavar="NAME")
    parser.add_argument("--identities", type=int, default=3, help="rows of each domain")
    parser.add_argument("--images", type=int, default=3, help="images by each camera")
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    arguments = parser.parse_args()
    size = arguments.height, arguments.width
    sheet(arguments.domains, arguments.identities, arguments.images, size).save(arguments.out)


if __name__ == "__main__":
    main()
