"""Write contact sheets of the rendered domains: one row per identity, its cameras side by side.

One PNG per domain, and ``lookalikes.png``: one row per group of look-alikes of the sources.

    python tools/contact_sheet.py --out sheets
    python tools/contact_sheet.py --out sheets --domains rendered_plaza --identities 8
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from ddan_torchreid.data.rendered import DOMAINS, SOURCES, draw_image, find_domain, lookalikes


def sheet(rows: list[list[np.ndarray]], scale: int) -> np.ndarray:
    """Images in a grid with a grey gap, enlarged ``scale`` times. Returns (H, W, 3) RGB."""
    padded = [
        [np.pad(i, ((2, 2), (2, 2), (0, 0)), constant_values=128) for i in row] for row in rows
    ]
    grid = np.vstack([np.hstack(row) for row in padded])
    return cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def domain_sheet(name: str, identities: int, columns: int, scale: int) -> np.ndarray:
    """Rows of one identity each, with its images in all cameras of the domain."""
    cameras = find_domain(name).cameras
    each = max(1, columns // cameras)
    shots = [(camera, index) for camera in range(cameras) for index in range(each)]
    rows = [[draw_image(name, person, *shot) for shot in shots] for person in range(identities)]
    return sheet(rows, scale)


def lookalike_sheet(identities: int, scale: int) -> np.ndarray:
    """Rows of one group each, with two images of its member in every source; grey: no member."""
    blank = np.full((128, 64, 3), 128, np.uint8)
    groups = {pair[0] for a in SOURCES for b in SOURCES if a != b for pair in lookalikes(a, b)}
    rows = []
    for group in sorted(groups)[:identities]:
        member = {
            a for a in SOURCES for b in SOURCES if a != b and (group, group) in lookalikes(a, b)
        }
        rows.append(
            [
                draw_image(name, group, camera, 0) if name in member else blank
                for name in SOURCES
                for camera in (0, 1)
            ]
        )
    return sheet(rows, scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the PNG files")
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS), metavar="NAME")
    parser.add_argument("--identities", type=int, default=6, help="rows of a sheet")
    parser.add_argument("--columns", type=int, default=12, help="images in a row, about")
    parser.add_argument("--scale", type=int, default=2, help="magnification")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sheets = {
        name: domain_sheet(name, options.identities, options.columns, options.scale)
        for name in options.domains
    }
    sheets["lookalikes"] = lookalike_sheet(options.identities, options.scale)
    for name, image in sheets.items():
        path = options.out / f"{name}.png"
        if not cv2.imwrite(str(path), image[:, :, ::-1]):
            raise OSError(f"could not write {path}")
        print(path)


if __name__ == "__main__":
    main()
