"""``features.npz`` of a run: what its model makes of a sample of each source's images."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..data import rendered
from ..data.loader import source_loaders
from ..evaluation import extract_features
from ..system.files import replacing

FILE = "features.npz"
IMAGES = 1000
"""Images of each source whose features are kept, as many as Eq. 3 compares."""

_DRAWN = re.compile(r"(\d{5})_c\d+_\d+\.png")


@dataclass(frozen=True)
class Sample:
    """Features of images of the sources.

    Attributes:
        names: S source domains.
        features: (n, D) test-time features, L2-normalised.
        pids: (n,) identity labels, unique over all domains.
        domain: (n,) index into ``names``.
        paths: n image files.
        mapped: (n, D) the mapping network's features m, which Eqs. 5 to 8 compare; None in a
            file of an earlier version.
    """

    names: list[str]
    features: NDArray
    pids: NDArray
    domain: NDArray
    paths: list[str]
    mapped: NDArray | None = None

    def drawn_numbers(self) -> NDArray | None:
        """(n,) number of each image's person in its domain; None for other than drawn domains."""
        matches = [_DRAWN.fullmatch(Path(path).name) for path in self.paths]
        if not set(self.names) <= set(rendered.DOMAINS) or None in matches:
            return None
        return np.array([int(match[1]) for match in matches if match])


def lookalikes(names: list[str], domain: NDArray, number: NDArray) -> NDArray:
    """Whether two people, or images of them, are look-alikes of two drawn domains.

    Args:
        names: S drawn domains.
        domain: (n,) index into ``names``.
        number: (n,) number of the person in its domain.

    Returns:
        (n, n) bool.
    """
    alike = np.zeros((len(number), len(number)), dtype=bool)
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            if i == j:
                continue
            pairs = dict(rendered.lookalikes(first, second, int(number.max()) + 1))
            rows, columns = np.ix_(domain == i, domain == j)
            partner = np.array([pairs.get(int(each), -1) for each in number[rows.ravel()]])
            alike[rows, columns] = partner[:, None] == number[columns]
    return alike


def read(folder: Path) -> Sample:
    """The sample that a run left in its folder."""
    with np.load(folder / FILE) as file:
        return Sample(
            names=[str(name) for name in file["names"]],
            features=file["features"].astype(np.float32),
            pids=file["pids"],
            domain=file["domain"],
            paths=[str(path) for path in file["paths"]],
            mapped=file["mapped"].astype(np.float32) if "mapped" in file else None,
        )


def write(engine: Any, folder: Path) -> None:
    """Takes a sample of each source through an engine's model and writes it to a run's folder."""
    arrays: dict[str, list[Any]] = {
        "features": [], "mapped": [], "pids": [], "domain": [], "paths": [],
    }  # fmt: skip
    loaders = source_loaders(engine.datamanager, IMAGES)
    model = engine.bare_model  # replicas on several GPUs would hand in their parts in any order
    for number, loader in enumerate(loaders.values()):
        with _inputs_of(model.neck) as mapped:
            sample = extract_features(model, loader, engine.device)
        dataset: Any = loader.dataset
        # Half precision: entries of unit vectors, and of means of ReLU6, at half the size on disk.
        arrays["features"].append(F.normalize(sample.features).half().numpy())
        arrays["mapped"].append(torch.cat(mapped).half().numpy())
        arrays["pids"].append(sample.pids)
        arrays["domain"].append(np.full(len(sample.pids), number))
        arrays["paths"].append(np.array([item[0] for item in dataset.data]))
    joined: dict[str, Any] = {key: np.concatenate(parts) for key, parts in arrays.items()}
    with replacing(folder / FILE) as temporary:
        np.savez(temporary, names=np.array(list(loaders)), **joined)


@contextlib.contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what a module is given, on the CPU, while the context lasts."""
    inputs: list[Tensor] = []
    hook = module.register_forward_pre_hook(
        lambda _, given: inputs.append(given[0].detach().float().cpu())
    )
    try:
        yield inputs
    finally:
        hook.remove()
