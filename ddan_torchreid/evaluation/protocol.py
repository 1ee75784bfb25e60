"""The paper's test protocol: every target on all its splits, with one pass over the images."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from ..data.loose_images import read_image
from ..data.reading import SafeImageDataset
from ..system.files import expanded
from .features import FeatureSet, extract_features
from .scores import Scores, as_row, mean_scores, score_once
from .splits import LabelledImage, SplitSet, own_split, read_splits
from .standard_splits import NAMES, draw_splits, torchreid_splits


@dataclasses.dataclass(frozen=True)
class TargetResult:
    """Splits of one target, that is who is query and who is gallery, and the scores of each."""

    splits: SplitSet
    scores: list[Scores]

    @property
    def mean(self) -> Scores:
        """Means over the splits; with the distances where there is a single split."""
        if len(self.scores) == 1:
            return self.scores[0]
        return Scores(
            ranks=_means([each.ranks for each in self.scores]),
            mean_ap=float(np.mean([each.mean_ap for each in self.scores])),
            distances=np.empty((0, 0)),
            mean_inp=float(np.mean([each.mean_inp for each in self.scores])),
            legacy=_means([each.legacy for each in self.scores]),
        )

    @property
    def std(self) -> dict[str, float]:
        """Sample standard deviation over the splits by column; NaN where there is a single one."""
        return _deviations(self.scores)


@dataclasses.dataclass(frozen=True)
class ProtocolResult:
    """Results by target, and the number of images that went through the model, each once."""

    targets: dict[str, TargetResult]
    images: int

    @property
    def scores(self) -> dict[str, Scores]:
        """Means over the splits by target."""
        return {name: target.mean for name, target in self.targets.items()}

    @property
    def mean(self) -> dict[str, float]:
        """Means over the targets by column; each target counts the same."""
        return mean_scores(self.scores)

    @property
    def std(self) -> dict[str, float]:
        """Sample standard deviation of the targets' means by column; NaN for a single target."""
        return _deviations(self.scores.values())


def _means(rows: list[dict[Any, float]]) -> dict[Any, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _deviations(scores: Iterable[Scores]) -> dict[str, float]:
    rows = [as_row(each) for each in scores]
    if len(rows) == 1:
        return dict.fromkeys(rows[0], float("nan"))
    return {key: float(np.std([row[key] for row in rows], ddof=1)) for key in rows[0]}


def evaluate_protocol(
    model: nn.Module,
    datamanager: Any,
    splits: int = 10,
    seed: int = 0,
    a_to_b: bool = False,
    splits_from: str = "",
    skip_bad_images: bool = False,
    watched: Callable[[DataLoader], Any] = lambda loader: loader,
    **scoring: Any,
) -> ProtocolResult:
    """Scores a model on every target of a data manager, single-shot where that is the benchmark.

    Args:
        model: returns (B, D) in evaluation mode; works on the device it is on.
        datamanager: a ``torchreid.data.ImageDataManager``; its targets, test-time transform, batch
            size and workers are used.
        splits: number of splits of VIPeR (each in both directions), PRID, GRID and i-LIDS; other
            targets have one split, their own query and gallery. With 0 all targets do.
        seed: of the splits that are drawn.
        a_to_b: only camera A's images of VIPeR are queries.
        splits_from: empty to draw the splits, ``'torchreid'`` for those that torchreid has stored
            under the data root, or the folder or file of an earlier evaluation's splits.
        skip_bad_images: read every image once before, and leave out those that cannot be read.
        watched: as of :func:`~ddan_torchreid.evaluation.extract_features`.
        **scoring: options of :func:`~ddan_torchreid.evaluation.score`.

    Raises:
        ValueError: splits cannot be drawn or read; an image cannot be read; a split has no query
            with a match.
        FileNotFoundError: a dataset or a file of splits does not exist.
        FloatingPointError: a feature is not finite.
    """
    # All targets before the first image: what is wrong with the last one should show at once.
    sets = target_splits(datamanager, splits, seed, a_to_b, splits_from)
    if skip_bad_images:
        sets = {name: _readable(split_set) for name, split_set in sets.items()}
    results, images = {}, 0
    for name, split_set in sets.items():
        paths = split_set.images()
        print(f"=> {name}: {len(split_set.splits)} splits, {len(paths)} images")
        if split_set.note:
            print(f"=> Warning: {split_set.note}")
        loader = _loader(datamanager, name, [str(split_set.folder / path) for path in paths])
        device = next(model.parameters()).device
        features = extract_features(model, loader, device, watched).features
        take = functools.partial(_take, features, {path: row for row, path in enumerate(paths)})
        scores = [
            score_once(take(split.query), take(split.gallery), **scoring)
            for split in split_set.splits
        ]
        results[name] = TargetResult(split_set, scores)
        images += len(paths)
    return ProtocolResult(results, images)


def target_splits(
    datamanager: Any, splits: int, seed: int, a_to_b: bool, splits_from: str
) -> dict[str, SplitSet]:
    """The splits of every target of a data manager; see :func:`evaluate_protocol`."""
    sets = {}
    for name in datamanager.targets:
        found = own_split(name, **datamanager.test_dataset[name])
        folder = found.folder
        if name in NAMES:
            folder = Path(datamanager.test_loader[name]["query"].dataset.dataset_dir)
        if splits_from not in ("", "torchreid"):
            file = Path(expanded(splits_from))
            file = file / f"{name}.json" if file.is_dir() else file
            found = read_splits(file, name, folder)
        elif name in NAMES and splits:
            draw = functools.partial(draw_splits, seed=seed)
            get = torchreid_splits if splits_from == "torchreid" else draw
            found = get(name, folder.parent, splits)
        if a_to_b and name == "viper":
            kept = tuple(split for split in found.splits if split.query[0].camid == 0)
            if not kept:
                raise ValueError(
                    f"no split of {name} has camera A as query; leave out --a-to-b (a_to_b)"
                )
            found = dataclasses.replace(found, splits=kept)
        sets[name] = found
    return sets


@functools.lru_cache  # because a run tests after every few epochs
def _readable(split_set: SplitSet) -> SplitSet:
    bad = set()
    for path in split_set.images():
        try:
            read_image(str(split_set.folder / path))
        except ValueError as error:
            print(f"=> {error}; left out of {split_set.dataset}")
            bad.add(path)
    return split_set.without(bad)


def _loader(datamanager: Any, name: str, paths: list[str]) -> DataLoader:
    own = datamanager.test_loader[name]["query"]
    # The labels differ from split to split, and come from there.
    items = [(path, 0, 0, 0) for path in paths]
    dataset = SafeImageDataset(
        items, items[:1], items[:1], transform=datamanager.transform_te, mode="train", verbose=False
    )
    return DataLoader(
        dataset,
        batch_size=own.batch_size,
        num_workers=own.num_workers,
        pin_memory=own.pin_memory,
        multiprocessing_context=own.multiprocessing_context,
    )


def _take(
    features: torch.Tensor, rows: dict[str, int], images: tuple[LabelledImage, ...]
) -> FeatureSet:
    _, pids, camids = (np.array(column) for column in zip(*images, strict=True))
    return FeatureSet(features[[rows[image.path] for image in images]], pids, camids)
