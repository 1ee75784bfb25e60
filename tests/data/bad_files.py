"""Ways to damage the image files of a small data root."""

import os
from pathlib import Path

import torchreid

from ddan_torchreid.data.datasets.listing import FOLDERS
from ddan_torchreid.integration.registry import register_own

# Not those of small_data: registering them again would replace those for later tests.
SOURCES = ["campus", "station"]
TARGET = "airport"
BAD = ("truncated", "empty", "text", "directory", "missing", "pipe")


def damage(path, how):
    path = Path(path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("no image\n" * 40)
    else:
        path.unlink()
        if how == "directory":
            path.mkdir()
        elif how == "pipe":
            os.mkfifo(path)


def files(root, name, split):
    return sorted((root / name / FOLDERS[split]).iterdir())


def flags(root):
    return [f"{name}={root}/{name}" for name in (*SOURCES, TARGET)]


def manager_of(root, **options):
    register_own(flags(root))
    return torchreid.data.ImageDataManager(
        sources=SOURCES, targets=[TARGET], height=16, width=8, workers=0,
        batch_size_train=8, batch_size_test=4, use_gpu=False, **options,
    )  # fmt: skip
