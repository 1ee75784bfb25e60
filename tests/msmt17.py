"""A miniature of MSMT17 (V1), in its layout and with its list files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# (identities, images) of the train split and of everything; query and gallery images.
TRAIN, ALL, TEST = (6, 24), (10, 52), (8, 16)


def write_msmt17(root: str | Path) -> None:
    """6 people with 4 training images and one for validation, 4 others in query and gallery."""
    base = Path(root, "msmt17", "MSMT17_V1")
    splits = {
        "train": ("train", range(6), range(4)),
        "val": ("train", range(4), range(4, 5)),
        "query": ("test", range(4), range(2)),
        "gallery": ("test", range(4), range(2, 6)),
    }
    for split, (folder, people, frames) in splits.items():
        lines = []
        for person in people:
            for frame in frames:
                name = f"{person:04d}_{frame:03d}_{1 + frame % 3:02d}_0303morning_0008_{frame}.jpg"
                path = base / folder / f"{person:04d}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                colour = np.array([40 * person, 30 * frame, 90 if folder == "test" else 0])
                Image.fromarray(np.full((32, 16, 3), colour, dtype=np.uint8)).save(path)
                lines.append(f"{person:04d}/{name} {person}\n")
        (base / f"list_{split}.txt").write_text("".join(lines))
