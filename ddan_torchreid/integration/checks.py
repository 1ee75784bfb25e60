"""Checks of a configuration before anything is loaded: one clear line for what cannot work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from yacs.config import CfgNode

from .. import distributed
from ..config.keys import SCHEMA
from ..config.options import check_word
from ..config.schema import forget_training, settings_of, value_of
from ..data.datasets.layouts import missing
from ..data.datasets.loading import obstacles, unglobbable
from ..data.datasets.published import DATASETS
from ..data.loose_images import printable
from ..system.files import expanded
from ..training.acceleration.precision import TOO_NARROW_ON_CPU
from . import registry

# The samplers that make batches of equal parts, and the key that says how large or how many.
PARTS = {
    registry.SAMPLER: "num_instances",
    "RandomIdentitySampler": "num_instances",
    "RandomDomainSampler": "num_cams",
    "RandomDatasetSampler": "num_datasets",
}


def check(config: CfgNode) -> None:
    """Checks names, sizes and their combinations, then that the data is where it should be.

    With ``test.evaluate``, what matters to training only is set to its default before.

    Args:
        config: the configuration; changed with ``test.evaluate`` only.

    Raises:
        ValueError: something cannot work; the message says what to write instead.
        FileNotFoundError: a dataset is not under the data root.
    """
    if config.test.evaluate:
        forget_training(config)
    _check_names(config)
    _check_datasets(config)
    _check_numbers(config)
    if config.loss.name == "ddan":
        _check_ddan(config)
    elif distributed.active():
        raise ValueError(
            f"loss.name {config.loss.name} trains in one process; for the baseline in several, "
            "write loss.name ddan, ddan.weight_adversarial 0.0 and ddan.weight_similarity 0.0"
        )
    # Without looking first, torchreid would try to download some sets, or leave an empty folder.
    root = Path(expanded(config.data.root))
    for name in [*config.data.sources, *config.data.targets]:
        for path in _missing(name, root):
            raise FileNotFoundError(
                f"dataset {name} is not under the data root: there is no {printable(path)}; put it "
                "there, or give another --root"
            )
    _check_published(config, root)


def _check_names(config: CfgNode) -> None:
    samplers = registry.samplers()
    # torchreid's own lists stand in modules that the package on PyPI keeps under another name.
    for key, valid in {
        "data.type": ["image"],
        "loss.name": ["ddan", "softmax", "triplet"],
        "model.name": registry.models(),
        "sampler.train_sampler": samplers,
        "sampler.train_sampler_t": samplers,
        "data.transforms": registry.TRANSFORM_NAMES,
        "train.optim": ["adam", "amsgrad", "sgd", "rmsprop", "radam"],
        "train.lr_scheduler": ["single_step", "multi_step", "cosine"],
        "test.dist_metric": ["euclidean", "cosine"],
    }.items():
        value = value_of(config, key)
        for name in value if isinstance(value, list) else [value]:
            check_word(f"{key}: ", name, valid)


def check_dataset_names(key: str, names: Sequence[str]) -> None:
    """Checks that there are datasets, and that all are known.

    Args:
        key: that names them.
        names: what it holds.

    Raises:
        ValueError: there is none, or one is unknown.
    """
    if not names:
        raise ValueError(f"{key} is empty; name one dataset or more")
    for name in names:
        check_word(f"{key}: ", name, registry.datasets())


def _check_datasets(config: CfgNode) -> None:
    sources, targets = config.data.sources, config.data.targets
    for key, names in (("data.sources", sources), ("data.targets", targets)):
        check_dataset_names(key, names)
        twice = {name for name in names if names.count(name) > 1}
        if twice and not (names is sources and config.test.evaluate):
            raise ValueError(f"{key} names {', '.join(sorted(twice))} twice; write it once")
    for name in [] if config.test.evaluate else [each for each in targets if each in sources]:
        if config.data.combineall:
            raise ValueError(
                f"{name} is both source and target under data.combineall, so its query and gallery "
                "would be trained on; write data.combineall False or other targets"
            )
        # A listing without splits takes its queries from the images that it trains on.
        if not getattr(registry.datasets()[name], "is_split", True):
            raise ValueError(
                f"{name} is both source and target, and says nothing of train, query and gallery; "
                "add a column 'split', or name another target"
            )


def _check_numbers(config: CfgNode) -> None:
    for key, option in SCHEMA.items():
        option.check(key, value_of(config, key))
    for key, values in (("norm_mean", config.data.norm_mean), ("norm_std", config.data.norm_std)):
        if len(values) != 3 or (key == "norm_std" and min(values) <= 0):
            raise ValueError(f"data.{key}={values} must hold three numbers, deviations above 0")
    if config.test.visrank and not config.test.evaluate:
        raise ValueError(
            "test.visrank draws the rankings of a finished model; write test.evaluate True"
        )
    part = PARTS.get(config.sampler.train_sampler)
    batch, size = config.train.batch_size, config.sampler[part] if part else 1
    if batch % size:
        below = batch - batch % size
        choices = f"{below} or {below + size}" if below else f"{size}"
        raise ValueError(
            f"train.batch_size={batch} is not a multiple of sampler.{part}={size}; write {choices}"
        )


def _check_ddan(config: CfgNode) -> None:
    settings = settings_of(config)
    if settings.weight_triplet > 0 and PARTS.get(config.sampler.train_sampler) != "num_instances":
        raise ValueError(
            "the triplet term needs several images of each identity in a batch, which "
            f"{config.sampler.train_sampler} does not give; write sampler.train_sampler "
            f"{registry.SAMPLER}, or ddan.weight_triplet 0.0"
        )
    split = f"ddan_{config.model.name}"
    if split in registry.models():
        raise ValueError(
            f"model.name {config.model.name} has no mapping network to align; write {split}"
        )
    if config.data.k_tfm > 1:
        raise ValueError(
            f"data.k_tfm={config.data.k_tfm} makes a list of each image, which DDAN's step does "
            "not take; write data.k_tfm 1"
        )
    if config.ddan.fine_tune and not config.model.load_weights:
        raise ValueError(
            "ddan.fine_tune starts from the weights of model.load_weights; name them there"
        )
    on_gpu = config.use_gpu and torch.cuda.is_available()
    if settings.amp == "bf16" and not on_gpu and config.data.width <= TOO_NARROW_ON_CPU:
        raise ValueError(
            "PyTorch's gradients in bfloat16 on a CPU are wrong for images of so few pixels; write "
            "ddan.amp off, or data.width 32 or more"
        )


def skips_bad_images(config: CfgNode) -> bool:
    """Whether images that are not there or cannot be read are left out."""
    return config.loss.name == "ddan" and config.ddan.bad_images == "skip"


def _check_published(config: CfgNode, root: Path) -> None:
    protocol = "classic" if config.cuhk03.classic_split else "new"
    boxes = "labeled" if config.cuhk03.labeled_images else "detected"
    for name in [*([] if config.test.evaluate else config.data.sources), *config.data.targets]:
        if name in DATASETS:
            files = [f"splits_{protocol}_{boxes}.json"] if name == "cuhk03" else []
            for obstacle in obstacles(name, root, files, absent=not skips_bad_images(config)):
                raise ValueError(obstacle.text)
        elif registry.datasets()[name].__module__.startswith("torchreid.") and (
            problem := unglobbable(name, root.absolute())
        ):
            raise ValueError(problem)


def _missing(name: str, root: Path) -> list[str]:
    if name in DATASETS:
        return missing(name, root)
    folder = getattr(registry.datasets()[name], "dataset_dir", None)
    path = root / folder if isinstance(folder, str) else root
    return [] if path.exists() else [str(path)]
