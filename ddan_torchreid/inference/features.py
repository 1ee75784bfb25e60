"""Features of loose images, and the .npz file that keeps them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..data.loose_images import read_image
from ..system.files import expanded
from ..version import __version__
from .trained_model import TrainedModel


@dataclasses.dataclass(frozen=True)
class FeatureTable:
    """Features of images, and what they were made with. The .npz file has the same keys.

    Attributes:
        features: (N, D), float32.
        paths: N paths, as they were given.
        normalized: whether each feature has length 1.
        height: the images were resized to, in pixels.
        width: the images were resized to, in pixels.
        model: name of the network, or empty.
        weights_sha256: of the checkpoint file.
        version: of this package.
    """

    features: np.ndarray
    paths: list[str]
    normalized: bool
    height: int
    width: int
    model: str
    weights_sha256: str
    version: str = __version__

    def save(self, path: Path) -> None:
        """Writes an .npz file that loads without pickle; what is no list or matrix is 0-d."""
        # An open file, because NumPy changes names that do not end in .npz.
        with path.open("wb") as file:
            columns: dict[str, Any] = {key: np.asarray(value) for key, value in vars(self).items()}
            np.savez(file, **columns)

    @classmethod
    def load(cls, path: str | Path) -> FeatureTable:
        """Reads what :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is something else, or broken.
        """
        try:
            with np.load(expanded(path), allow_pickle=False) as file:
                columns = {field.name: file[field.name] for field in dataclasses.fields(cls)}
            features, paths = columns.pop("features"), columns.pop("paths").tolist()
            fields = {key: value.item() for key, value in columns.items()}
            if features.shape != (len(paths), features.shape[-1]) or features.dtype != np.float32:
                raise ValueError(f"{len(paths)} paths, features {features.shape} {features.dtype}")
            if not paths or not np.isfinite(features).all():
                raise ValueError("features that are not finite" if paths else "no images")
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no file {str(path)!r}") from None
        except Exception as error:  # NumPy and zipfile raise many kinds
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise ValueError(
                f"{path} is not a file of features of `ddan-torchreid extract`: {reason}"
            ) from None
        return cls(features=features, paths=paths, **fields)


class _Files(Dataset):
    """The image of a path, or why it cannot be read."""

    def __init__(self, paths: Sequence[str], transform: Callable[[Image.Image], Tensor]) -> None:
        self._paths = paths
        self._transform = transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[str, Tensor | str]:
        path = self._paths[index]
        try:
            return path, self._transform(read_image(path))
        except ValueError as error:
            return path, str(error)


@torch.no_grad()
def extract(
    trained: TrainedModel,
    paths: Sequence[str],
    normalize: bool = True,
    batch_size: int = 64,
    workers: int = 0,
) -> tuple[FeatureTable, int]:
    """Test-time features of image files, the same that torchreid's evaluator gets.

    A progress bar and a line for each unreadable file go to the standard error.

    Args:
        trained: the model.
        paths: image files.
        normalize: L2-normalise the features, as torchreid does with ``test.normalize_feature``.
        batch_size: images at a time.
        workers: processes that read images.

    Returns:
        The features, and the number of files that were skipped because they cannot be read.

    Raises:
        ValueError: batch size or number of workers out of range.
        OSError: no file can be read.
        FloatingPointError: a feature is not finite.
    """
    if batch_size < 1 or workers < 0:
        raise ValueError(f"batch size {batch_size}, {workers} workers: write 1 and 0 or more")
    loader = DataLoader(
        _Files(paths, trained.transform),
        batch_size=batch_size,
        # Starting a process takes longer than reading a batch.
        num_workers=workers if len(paths) > batch_size else 0,
        collate_fn=list,  # as they are
    )
    kept: list[str] = []
    features: list[Tensor] = []
    with tqdm(total=len(paths), desc="Extracting", unit="image", disable=None) as bar:
        for items in loader:
            images = []
            for path, content in items:
                if isinstance(content, str):
                    tqdm.write(f"skipped: {content}", file=sys.stderr)
                else:
                    kept.append(path)
                    images.append(content)
            if images:
                output = trained.model(torch.stack(images).to(trained.device)).float()
                features.append((F.normalize(output) if normalize else output).cpu())
            bar.update(len(items))
    if not kept:
        raise OSError(f"no image could be read; files tried: {len(paths)}")
    matrix = torch.cat(features).numpy()
    if not np.isfinite(matrix).all():
        raise FloatingPointError(
            "the model returns features that are not finite; load other weights, or train again "
            "at a lower learning rate"
        )
    table = FeatureTable(
        features=matrix,
        paths=kept,
        normalized=normalize,
        height=trained.height,
        width=trained.width,
        model=trained.model.name or "",
        weights_sha256=trained.sha256,
    )
    return table, len(paths) - len(kept)
