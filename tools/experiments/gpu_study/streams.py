"""The batches of a seed: loaded and augmented once, and replayed by every run that trains on them.

Sixteen processors cannot decode and augment for a dozen runs, but all rows of a seed train on the
same batches. So an ordinary training loader of the seed writes an epoch's images as they are before
normalisation, and a run reads them instead of loading them: its weights are the same, bit for bit.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.lib.format import open_memmap
from yacs.config import CfgNode

from ddan_torchreid.data.loader import order_train_loader, stabilise_train_loader
from ddan_torchreid.data.reading import read_safely
from ddan_torchreid.data.transforms import PaperAugmentation
from ddan_torchreid.integration import builder

PARTS = 4
"""Pieces of an epoch that are written side by side, so that training can start sooner."""
PATIENCE = 180.0
"""Seconds that a run waits for a piece of an epoch."""

_managers: dict[tuple[Any, ...], Any] = {}


def _loader(config: CfgNode) -> Any:
    """The training loader that an engine with this configuration would have."""
    images = (*config.data.sources, config.data.combineall, config.sampler.num_cams)
    if images not in _managers:
        _managers[images] = builder.build_datamanager(config)
    manager = _managers[images]
    stabilise_train_loader(manager, seed=config.train.seed)
    order_train_loader(manager, seed=config.train.seed)
    read_safely(manager)
    return manager.train_loader


def prepare(config: CfgNode, folder: Path, most_steps: int) -> int:
    """Makes the files that `render` fills; returns the steps of an epoch."""
    loader = _loader(config)
    steps = min(len(loader), most_steps)
    images = steps * loader.batch_size
    for epoch in range(config.train.max_epoch):
        place = folder / f"epoch{epoch}"
        if not (place / "images.npy").exists():
            place.mkdir(parents=True, exist_ok=True)
            shape = (images, config.data.height, config.data.width, 3)
            open_memmap(place / "new.npy", "w+", np.uint8, shape)
            open_memmap(place / "labels.npy", "w+", np.int64, (images, 3))
            (place / "new.npy").rename(place / "images.npy")
    return steps


def render(config: CfgNode, folder: Path, epoch: int, part: int, most_steps: int = 10**6) -> None:
    """Writes one of ``PARTS`` pieces of an epoch's images, and their identities and domains."""
    place = folder / f"epoch{epoch}"
    if (place / f"part{part}").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        prepare(config, folder, most_steps)
    loader = _loader(config)
    loader.sampler.set_epoch(epoch)
    images = open_memmap(place / "images.npy", "r+")
    labels = open_memmap(place / "labels.npy", "r+")
    first, last = bounds(len(images) // loader.batch_size, part)
    rows = range(first * loader.batch_size, last * loader.batch_size)
    order, dataset = list(loader.sampler), loader.dataset
    # The same draws and steps, and normalised to nothing but the bytes themselves.
    dataset.transform = PaperAugmentation(
        config.data.height, config.data.width, (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
    )
    for row in rows:
        item = dataset[order[row]]
        images[row] = item["img"].permute(1, 2, 0).numpy()
        labels[row] = item["pid"], item["dsetid"], item["camid"]
    (place / f"part{part}").touch()


def bounds(steps: int, part: int) -> tuple[int, int]:
    """First batch of a piece of an epoch, and the first one after it."""
    return steps * part // PARTS, steps * (part + 1) // PARTS


def replay(engine: Any, folder: Path, count: Callable[[int], None]) -> None:
    """Has an engine train on the batches of a stream.

    Args:
        engine: one that is about to run.
        folder: of the stream.
        count: called with the number of batches that the engine has taken.
    """
    engine.train_loader = _Replay(engine, engine.train_loader, folder, count)
    engine.datamanager.train_loader = engine.train_loader
    test = engine.test

    def test_once(*args: Any, **keywords: Any) -> float:
        # Trials of cuDNN's algorithms pay in training; tests see each size of batch once.
        torch.backends.cudnn.benchmark = False
        return test(*args, **keywords)

    engine.test = test_once


class _Replay:
    """In place of an engine's training loader, of which all else is asked."""

    def __init__(
        self, engine: Any, loader: Any, folder: Path, count: Callable[[int], None]
    ) -> None:
        self._engine = engine
        self._loader = loader
        self._folder = folder
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    @functools.cached_property
    def _steps(self) -> int:
        _wait_for(self._folder / "epoch0" / "images.npy")
        shape = open_memmap(self._folder / "epoch0" / "images.npy", "r").shape
        return shape[0] // self._loader.batch_size

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        place, size = self._folder / f"epoch{self._engine.epoch}", self._loader.batch_size
        images = open_memmap(place / "images.npy", "r")
        labels = open_memmap(place / "labels.npy", "r")
        transform, device = self._engine.datamanager.transform_tr, self._engine.device
        # Each an operator of its own, as on a CPU, so that a GPU rounds the same.
        scale, shift = transform._scale.to(device), transform._shift.to(device)
        for part in range(PARTS):
            _wait_for(place / f"part{part}")
            for step in range(*bounds(len(self), part)):
                rows = slice(step * size, (step + 1) * size)
                pixels = torch.from_numpy(images[rows].copy()).to(device).permute(0, 3, 1, 2)
                pids, domains, cameras = (
                    each.contiguous() for each in torch.from_numpy(labels[rows].copy()).T
                )
                img = pixels.float().mul_(scale).add_(shift)
                self._count(self._engine.epoch * len(self) + step + 1)
                yield {"img": img, "pid": pids, "dsetid": domains, "camid": cameras}


def _wait_for(file: Path) -> None:
    started = time.monotonic()
    while not os.path.exists(file):
        if time.monotonic() - started > PATIENCE:
            raise TimeoutError(f"{file} has not been written in {PATIENCE:.0f} seconds")
        time.sleep(0.05)
