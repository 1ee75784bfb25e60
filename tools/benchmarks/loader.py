"""Reading and augmenting JPEG files: the paper's augmentation against torchreid's lighter ones."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torchreid
from PIL import Image
from synthetic import SOURCES, draw_image

from ddan_torchreid.data.reading import SafeImageDataset
from ddan_torchreid.data.transforms import ddan_transforms

from .results import Result
from .timing import Options, interleaved

TITLE = "one image from its JPEG file to a 256x128 tensor, with torchreid's own read_image as peer"
PEERS = {
    "random_flip, random_crop, color_jitter": 0.6,
    "random_flip, random_crop": None,
    "random_flip": None,
}


def run(options: Options) -> Result:
    """Times datasets item by item, on synthetic pedestrians of 256x128 and of 300x150."""
    result = Result("loader", TITLE)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for height, width in ((256, 128), (300, 150)):
            items = _write_images(Path(folder), height, width, options.size(12, 1))
            datasets = {"ours": _dataset(SafeImageDataset, items, ddan_transforms(256, 128)[0])}
            for names in PEERS:
                transform = _torchreids(names.split(", "))
                datasets[names] = _dataset(torchreid.data.ImageDataset, items, transform)
            variants = {name: lambda d=each: [d[i] for i in range(len(d))]
                        for name, each in datasets.items()}  # fmt: skip
            seconds = interleaved(variants, options.rounds_or(15), options.clock())
            each = {name: [s / len(items) for s in found] for name, found in seconds.items()}
            for names, reach in PEERS.items():
                # Only the 256x128 file has a stated goal.
                goal = reach if height == 256 else None
                what = f"{height}x{width} JPEG, the paper's augmentation"
                result.compare(what, each["ours"], f"torchreid, {names}", each[names], goal)
    return result


def _write_images(folder: Path, height: int, width: int, count: int) -> list[tuple]:
    items = []
    for domain in SOURCES:
        for person in range(count):
            path = folder / f"{domain}_{person}_{height}.jpg"
            image = draw_image(domain, person, 0, 0)
            image.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
            items.append((str(path), person, 0, 0))
    return items


def _dataset(kind: Any, items: list[tuple], transform: Any) -> Any:
    first = items[:1]
    return kind(items, first, first, transform=transform, mode="train", verbose=False)


def _torchreids(names: list[str]) -> Any:
    # The package is torchreid.data in one release of torchreid and torchreid.reid.data in another.
    module = sys.modules[f"{torchreid.data.__name__}.transforms"]
    with contextlib.redirect_stdout(io.StringIO()):
        return module.build_transforms(256, 128, names)[0]
