"""Checks of a configuration before anything is loaded: one clear line for what cannot work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from yacs.config import CfgNode

from .. import distributed
from ..config.schema import engine_options, options_named_as_keys
from ..config.settings import DDANSettings, nearest
from ..data.datasets.layouts import missing
from ..data.datasets.published import DATASETS
from ..data.datasets.ready import obstacles
from ..data.loose_images import printable
from ..system.files import expanded
from ..training.acceleration.precision import TOO_NARROW_ON_CPU
from . import registry

LOSSES = ("ddan", "softmax", "triplet")
# torchreid's own lists stand in modules that the package on PyPI keeps under another name.
OPTIMIZERS = ("adam", "amsgrad", "sgd", "rmsprop", "radam")
SCHEDULERS = ("single_step", "multi_step", "cosine")
DISTANCES = ("euclidean", "cosine")
IDENTITY_SAMPLERS = (registry.SAMPLER, "RandomIdentitySampler")

# The smallest legal value of each number; torchreid fails on a smaller one late, or in silence.
LEAST = {
    "data.height": 1,
    "data.width": 1,
    "data.workers": 0,
    "data.split_id": 0,
    "data.k_tfm": 1,
    "sampler.num_instances": 1,
    "sampler.num_cams": 1,
    "sampler.num_datasets": 1,
    "train.lr": 0,
    "train.weight_decay": 0,
    "train.max_epoch": 0,
    "train.start_epoch": 0,
    "train.batch_size": 2,  # batch normalisation of one image has no variance
    "train.fixbase_epoch": 0,
    "train.base_lr_mult": 0,
    "train.gamma": 0,
    "train.print_freq": 1,
    "train.seed": 0,
    "sgd.momentum": 0,
    "rmsprop.alpha": 0,
    "test.batch_size": 1,
    "test.visrank_topk": 1,
}


def check(config: CfgNode) -> None:
    """Checks names, sizes and their combinations, then that the data is where it should be.

    With ``test.evaluate``, what matters to training only has been reset before: see
    :func:`~ddan_torchreid.config.only_testing.forget_training`.

    Raises:
        ValueError: something cannot work; the message says what to write instead.
        FileNotFoundError: a dataset is not under the data root.
    """
    if config.data.type != "image":
        raise ValueError(f"data.type={config.data.type!r}: DDAN trains on images; write 'image'")
    _check_name("loss.name", config.loss.name, LOSSES)
    if distributed.active() and config.loss.name != "ddan":
        raise ValueError(
            f"loss.name {config.loss.name} trains in one process; for the baseline in several, "
            "write loss.name ddan, ddan.weight_adversarial 0.0 and ddan.weight_similarity 0.0"
        )
    _check_name("model.name", config.model.name, registry.model_names())
    for key in ("train_sampler", "train_sampler_t"):
        _check_name(f"sampler.{key}", config.sampler[key], registry.sampler_names())
    for key, names in (
        ("data.sources", config.data.sources),
        ("data.targets", config.data.targets),
    ):
        if not names:
            raise ValueError(f"{key} is empty; name one dataset or more")
        for name in names:
            _check_name(key, name, registry.dataset_names())
        twice = {name for name in names if names.count(name) > 1}
        if twice and not (key == "data.sources" and config.test.evaluate):
            raise ValueError(f"{key} names {', '.join(sorted(twice))} twice; write it once")
    for name in config.data.transforms:
        _check_name("data.transforms", name, registry.transform_names())
    if config.data.combineall:
        both = [name for name in config.data.targets if name in config.data.sources]
        if both:
            raise ValueError(
                f"{', '.join(both)} is both source and target under data.combineall, so its query "
                "and gallery would be trained on; write data.combineall False or other targets"
            )
    for name in [] if config.test.evaluate else config.data.targets:
        # A listing without splits takes its queries from the images that it trains on.
        if name in config.data.sources and not getattr(
            registry.dataset_class(name), "is_split", True
        ):
            raise ValueError(
                f"{name} is both source and target, and says nothing of train, query and gallery; "
                "add a column 'split', or name another target"
            )
    _check_sizes(config)
    _check_optimizer(config)
    if config.loss.name == "ddan":
        _check_ddan(config)
    absent = missing_data(config, [*config.data.sources, *config.data.targets])
    for name, path in absent.items():
        raise FileNotFoundError(
            f"dataset {name} is not under the data root: there is no {printable(path)}; put it "
            "there, or give another --root"
        )
    _check_published(config)


def _check_name(key: str, name: str, valid: Sequence[str]) -> None:
    if name not in valid:
        raise ValueError(f"{key}: {name!r} is unknown; {nearest(str(name), valid)}")


def _check_published(config: CfgNode) -> None:
    protocol = "classic" if config.cuhk03.classic_split else "new"
    boxes = "labeled" if config.cuhk03.labeled_images else "detected"
    for name in [*([] if config.test.evaluate else config.data.sources), *config.data.targets]:
        if name in DATASETS:
            files = [f"splits_{protocol}_{boxes}.json"] if name == "cuhk03" else []
            left_out = config.loss.name == "ddan" and config.ddan.bad_images == "skip"
            root = Path(config.data.root)
            for obstacle in obstacles(name, root, files, absent=not left_out):
                raise ValueError(obstacle.text)


def _check_sizes(config: CfgNode) -> None:
    for key, least in LEAST.items():
        section, _, leaf = key.partition(".")
        value = config[section][leaf]
        if value < least:
            kind = "whole number" if isinstance(value, int) else "number,"
            above = "above 0" if least == 1 else f"{least} or more"
            raise ValueError(f"{key}={value} must be a {kind} {above}")
    if config.train.seed >= 2**32:
        raise ValueError(f"train.seed={config.train.seed} must be below 2**32")
    for key, values in {
        "test.ranks": config.test.ranks,
        "train.stepsize": config.train.stepsize,
    }.items():
        if not values or min(values) < 1:
            raise ValueError(f"{key}={values} must hold whole numbers above 0")
    for key, values in (("norm_mean", config.data.norm_mean), ("norm_std", config.data.norm_std)):
        if len(values) != 3 or (key == "norm_std" and min(values) <= 0):
            raise ValueError(f"data.{key}={values} must hold three numbers, deviations above 0")
    batch, instances = config.train.batch_size, config.sampler.num_instances
    if config.sampler.train_sampler in IDENTITY_SAMPLERS and batch % instances:
        below = batch - batch % instances
        choices = f"{below} or {below + instances}" if below else f"{instances}"
        raise ValueError(
            f"train.batch_size={batch} is not a multiple of sampler.num_instances={instances}; "
            f"write {choices}"
        )
    groups = {"RandomDomainSampler": "num_cams", "RandomDatasetSampler": "num_datasets"}
    group = groups.get(config.sampler.train_sampler)
    if group and batch % config.sampler[group]:
        raise ValueError(
            f"train.batch_size={batch} is not a multiple of sampler.{group}="
            f"{config.sampler[group]}, as {config.sampler.train_sampler} wants it"
        )
    if group == "num_datasets" and config.sampler.num_datasets > len(config.data.sources):
        raise ValueError(
            f"sampler.num_datasets={config.sampler.num_datasets} is more than the "
            f"{len(config.data.sources)} sources; write that or less"
        )


def _check_optimizer(config: CfgNode) -> None:
    _check_name("train.optim", config.train.optim, OPTIMIZERS)
    _check_name("train.lr_scheduler", config.train.lr_scheduler, SCHEDULERS)
    _check_name("test.dist_metric", config.test.dist_metric, DISTANCES)
    for name in ("beta1", "beta2"):
        if not 0 <= config.adam[name] < 1:
            raise ValueError(f"adam.{name}={config.adam[name]} must be in [0, 1)")
    sgd = config.sgd
    if config.train.optim == "sgd" and sgd.nesterov and (sgd.momentum == 0 or sgd.dampening != 0):
        raise ValueError(
            "sgd.nesterov needs momentum and no dampening; write sgd.momentum 0.9 and "
            "sgd.dampening 0.0"
        )
    if config.test.visrank and not config.test.evaluate:
        raise ValueError(
            "test.visrank draws the rankings of a finished model; write test.evaluate True"
        )


def _check_ddan(config: CfgNode) -> None:
    with options_named_as_keys():
        settings = DDANSettings(**engine_options(config))
        settings.check_sources(config.data.sources)
    if settings.weight_triplet > 0 and config.sampler.train_sampler not in IDENTITY_SAMPLERS:
        raise ValueError(
            "the triplet term needs several images of each identity in a batch, which "
            f"{config.sampler.train_sampler} does not give; write sampler.train_sampler "
            f"{registry.SAMPLER}, or ddan.weight_triplet 0.0"
        )
    split = f"ddan_{config.model.name}"
    if split in registry.model_names():
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
    head_alone = {"neck", "classifier"}.issuperset(config.train.open_layers)
    if config.train.fixbase_epoch > 0 and head_alone and settings.weight_identity == 0:
        raise ValueError(
            "with ddan.weight_identity 0.0 nothing trains the layers of train.open_layers; add "
            "'mapping' or 'encoder' there, or write train.fixbase_epoch 0"
        )
    on_gpu = config.use_gpu and torch.cuda.is_available()
    if settings.amp == "bf16" and not on_gpu and config.data.width <= TOO_NARROW_ON_CPU:
        raise ValueError(
            "PyTorch's gradients in bfloat16 on a CPU are wrong for images of so few pixels; write "
            "ddan.amp off, or data.width 32 or more"
        )
    if settings.cuda_graphs == "on" and not on_gpu:  # before the data is read
        raise ValueError("ddan.cuda_graphs 'on' needs a GPU; write ddan.cuda_graphs 'auto'")
    if not 0 <= config.ddan.dropout < 1:
        raise ValueError(f"ddan.dropout={config.ddan.dropout} must be in [0, 1)")


def missing_data(config: CfgNode, names: Sequence[str]) -> dict[str, str]:
    """Datasets that are not under the data root, each with a path that it lacks.

    Without looking first, torchreid would try to download some sets and leave an empty folder.

    Raises:
        ValueError: the data root is no path at all, such as one that is too long.
    """
    root = Path(expanded(config.data.root))
    try:
        root.exists()
    except OSError as error:
        raise ValueError(
            f"data.root cannot be a folder: {error.strerror}; give another --root"
        ) from None
    absent = {}
    for name in names:
        if name in DATASETS:
            paths = missing(name, root)
        else:
            folder = getattr(registry.dataset_class(name), "dataset_dir", None)
            path = root / folder if isinstance(folder, str) else root
            paths = [] if path.exists() else [str(path)]
        if paths:
            absent[name] = paths[0]
    return absent
