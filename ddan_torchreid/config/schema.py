"""Configuration: torchreid's own YAML schema plus a ``ddan:`` node.

torchreid's package on PyPI ships no schema (its ``scripts/default_config.py`` lives in the
repository only), so the schema stands here as one table: where a key goes and its default. Files
written for torchreid's ``scripts/main.py`` load unchanged.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from ..system.files import expanded
from .settings import DDANSettings, nearest
from .values import convert, of_command_line, read_yaml

# key -> (default, what takes it, under which argument). The defaults are those of main.py.
SCHEMA: dict[str, tuple[Any, str, str]] = {
    "use_gpu": (True, "data", "use_gpu"),
    "model.name": ("resnet50", "", ""),
    "model.pretrained": (True, "", ""),
    "model.load_weights": ("", "", ""),
    "model.resume": ("", "", ""),
    "data.type": ("image", "", ""),
    "data.root": ("reid-data", "data", "root"),
    "data.sources": (["market1501"], "data", "sources"),
    "data.targets": (["market1501"], "data", "targets"),
    "data.workers": (4, "data", "workers"),
    "data.split_id": (0, "data", "split_id"),
    "data.height": (256, "data", "height"),
    "data.width": (128, "data", "width"),
    "data.combineall": (False, "data", "combineall"),
    "data.transforms": (["random_flip"], "data", "transforms"),
    "data.k_tfm": (1, "data", "k_tfm"),
    "data.norm_mean": ([0.485, 0.456, 0.406], "data", "norm_mean"),
    "data.norm_std": ([0.229, 0.224, 0.225], "data", "norm_std"),
    "data.save_dir": ("log", "run", "save_dir"),
    "data.load_train_targets": (False, "data", "load_train_targets"),
    "market1501.use_500k_distractors": (False, "data", "market1501_500k"),
    "cuhk03.labeled_images": (False, "data", "cuhk03_labeled"),
    "cuhk03.classic_split": (False, "data", "cuhk03_classic_split"),
    "cuhk03.use_metric_cuhk03": (False, "run", "use_metric_cuhk03"),
    "sampler.train_sampler": ("RandomSampler", "data", "train_sampler"),
    "sampler.train_sampler_t": ("RandomSampler", "data", "train_sampler_t"),
    "sampler.num_instances": (4, "data", "num_instances"),
    "sampler.num_cams": (1, "data", "num_cams"),
    "sampler.num_datasets": (1, "data", "num_datasets"),
    "video.seq_len": (15, "", ""),
    "video.sample_method": ("evenly", "", ""),
    "video.pooling_method": ("avg", "", ""),
    "train.optim": ("adam", "optimizer", "optim"),
    "train.lr": (0.0003, "optimizer", "lr"),
    "train.weight_decay": (5e-4, "optimizer", "weight_decay"),
    "train.max_epoch": (60, "run", "max_epoch"),
    "train.start_epoch": (0, "run", "start_epoch"),
    "train.batch_size": (32, "data", "batch_size_train"),
    "train.fixbase_epoch": (0, "run", "fixbase_epoch"),
    "train.open_layers": (["classifier"], "run", "open_layers"),
    "train.staged_lr": (False, "optimizer", "staged_lr"),
    "train.new_layers": (["classifier"], "optimizer", "new_layers"),
    "train.base_lr_mult": (0.1, "optimizer", "base_lr_mult"),
    "train.lr_scheduler": ("single_step", "scheduler", "lr_scheduler"),
    "train.stepsize": ([20], "scheduler", "stepsize"),
    "train.gamma": (0.1, "scheduler", "gamma"),
    "train.print_freq": (20, "run", "print_freq"),
    "train.seed": (1, "", ""),
    "sgd.momentum": (0.9, "optimizer", "momentum"),
    "sgd.dampening": (0.0, "optimizer", "sgd_dampening"),
    "sgd.nesterov": (False, "optimizer", "sgd_nesterov"),
    "rmsprop.alpha": (0.99, "optimizer", "rmsprop_alpha"),
    "adam.beta1": (0.9, "optimizer", "adam_beta1"),
    "adam.beta2": (0.999, "optimizer", "adam_beta2"),
    "loss.name": ("softmax", "", ""),
    "loss.softmax.label_smooth": (True, "", ""),
    "loss.triplet.margin": (0.3, "", ""),
    "loss.triplet.weight_t": (1.0, "", ""),
    "loss.triplet.weight_x": (0.0, "", ""),
    "test.batch_size": (100, "data", "batch_size_test"),
    "test.dist_metric": ("euclidean", "run", "dist_metric"),
    "test.normalize_feature": (False, "run", "normalize_feature"),
    "test.ranks": ([1, 5, 10, 20], "run", "ranks"),
    "test.evaluate": (False, "run", "test_only"),
    "test.eval_freq": (-1, "run", "eval_freq"),
    "test.start_eval": (0, "run", "start_eval"),
    "test.rerank": (False, "run", "rerank"),
    "test.visrank": (False, "run", "visrank"),
    "test.visrank_topk": (10, "run", "visrank_topk"),
}

# Keys that hold a path, where ~ stands for the home folder.
PATHS = (
    *("data.root", "data.save_dir", "model.load_weights", "model.resume"),
    "ddan.splits_from",
)

# Options of the model that torchreid's build_model has no argument for: its dropout, and that
# model.load_weights is of other identities, so that the identity head starts anew.
MODEL_OPTIONS = {
    "dropout": 0.5,
    "fine_tune": False,
    "last_stride": 2,
    "mixstyle": 0.0,
    "pooling": "average",
    "head": "published",
}


def ddan_defaults() -> dict[str, Any]:
    """Defaults of the ``ddan:`` node: the engine's options and the model's.

    The seed is ``train.seed``, so the node has none of its own.
    """
    options = {field.name: field.default for field in dataclasses.fields(DDANSettings)}
    del options["seed"]
    return {**options, **MODEL_OPTIONS}


def get_default_config() -> CfgNode:
    """Returns torchreid's default configuration with the ``ddan:`` node added."""
    config = CfgNode()
    for key, (default, _, _) in SCHEMA.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node.setdefault(parent, CfgNode())
        node[leaf] = list(default) if isinstance(default, list) else default
    config.ddan = CfgNode(ddan_defaults())
    return config


def arguments(config: CfgNode, taker: str) -> dict[str, Any]:
    """Keyword arguments that the configuration holds for one of torchreid's callables.

    Args:
        config: the configuration.
        taker: ``'data'`` (``ImageDataManager``), ``'optimizer'`` (``build_optimizer``),
            ``'scheduler'`` (``build_lr_scheduler``) or ``'run'`` (``Engine.run``).
    """
    taken = {
        argument: value_of(config, key)
        for key, (_, destination, argument) in SCHEMA.items()
        if destination == taker
    }
    if taker == "scheduler":
        taken["max_epoch"] = config.train.max_epoch
    return taken


def engine_options(config: CfgNode) -> dict[str, Any]:
    """Keyword arguments of :class:`~ddan_torchreid.engine.ImageDDANEngine`."""
    options = {key: value for key, value in config.ddan.items() if key not in MODEL_OPTIONS}
    return {**options, "seed": config.train.seed}


@contextlib.contextmanager
def options_named_as_keys() -> Iterator[None]:
    """Errors that name options of the engine name their keys: ``top_k=0`` is ``ddan.top_k=0``."""
    try:
        yield
    except ValueError as error:
        raise ValueError(_with_keys(str(error))) from error


def _with_keys(message: str) -> str:
    names = ddan_defaults()
    clear = [name for name in names if "_" in name]
    # These are English words too, unless a value follows.
    words = [f"{name}(?==| True| False| '| [0-9])" for name in names if "_" not in name]
    return re.sub(rf"(?<![\w.-])(?=(?:{'|'.join(clear)})\b|{'|'.join(words)})", "ddan.", message)


def find_file(name: str) -> Path:
    """Finds a configuration file: a path, or the name of one that ships with the package.

    Raises:
        FileNotFoundError: neither exists; the message names the nearest shipped one.
    """
    name = expanded(name)
    if Path(name).is_file():
        return Path(name)
    package = Path(__file__).parent.parent
    # Installed, the files lie in the package; in a checkout, beside it.
    folders = [package / "configs", package.parent / "configs"]
    shipped = {file.name: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    wanted = name if name.endswith(".yaml") else name + ".yaml"
    if wanted in shipped:
        return shipped[wanted]
    raise FileNotFoundError(
        f"there is no configuration file {name!r}; {nearest(Path(wanted).name, shipped)}"
    )


def merge_file(config: CfgNode, path: str | Path) -> None:
    """Merges a YAML file into the configuration.

    Raises:
        ValueError: the file is not valid YAML, or holds an unknown key or a value of a wrong type.
    """
    try:
        content = read_yaml(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None
    if content is None:
        return
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold keys and values, such as 'model:' and 'data:'")
    for key, value in _flatten(config, content):
        _set(config, key, value, where=str(path))


def merge_options(config: CfgNode, options: Sequence[str]) -> None:
    """Merges ``KEY VALUE KEY VALUE ...`` from the command line into the configuration.

    Raises:
        ValueError: an unknown key, a key without a value, or a value of a wrong type.
    """
    keys = known_keys(config)
    for key, equals, text in (word.partition("=") for word in options[::2]):
        if equals and key in keys:
            raise ValueError(f"options come in pairs KEY VALUE; write {key} {text}, without '='")
    if len(options) % 2:
        raise ValueError(f"options come in pairs KEY VALUE; {options[-1]!r} has no value")
    for key, text in zip(options[::2], options[1::2], strict=True):
        _set(config, key, of_command_line(text), where="the command line")


def _flatten(config: CfgNode, content: dict, prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and isinstance(value_of(config, key), CfgNode):
            pairs += _flatten(config, value, key + ".")
        else:
            pairs.append((key, value))
    return pairs


def value_of(config: CfgNode, key: str) -> Any:
    """What a configuration holds under a dotted key; None where there is no such key."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return None
        node = node[part]
    return node


def put(config: CfgNode, key: str, value: Any) -> None:
    """Sets the value of a key, written with dots.

    Raises:
        KeyError: the configuration has no such key.
    """
    section, _, leaf = key.rpartition(".")
    node = value_of(config, section) if section else config
    if leaf not in node:
        raise KeyError(key)
    node[leaf] = value


def known_keys(config: CfgNode, prefix: str = "") -> list[str]:
    """All keys of a configuration, written with dots."""
    keys: list[str] = []
    for name, value in config.items():
        if isinstance(value, CfgNode):
            keys += known_keys(value, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def changes(config: CfgNode) -> str:
    """The keys that differ from torchreid's defaults and DDAN's, one a line, for people.

    Keys without a default here, such as those of another version of torchreid, are left out.
    """
    defaults = get_default_config()
    lines = [
        f"{key}: {value_of(config, key)}"
        for key in known_keys(defaults)
        if value_of(config, key) != value_of(defaults, key)
    ]
    return "\n".join(lines)


def _set(config: CfgNode, key: str, value: Any, where: str) -> None:
    keys = known_keys(config)
    if key not in keys:
        # A key is often right but for its section, so the last part counts on its own too.
        leaf = key.rsplit(".", 1)[-1]
        same_leaf = [known for known in keys if known.rsplit(".", 1)[-1] == leaf]
        close = same_leaf or difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown key {key!r} in {where}{hint}")
    # Not what the configuration holds now: an empty list says nothing of its elements.
    default = SCHEMA[key][0] if key in SCHEMA else value_of(config, key)
    try:
        value = convert(default, value)
    except ValueError as error:
        raise ValueError(f"{key} in {where} {error}; for example {key}: {default!r}") from None
    put(config, key, expanded(value) if key in PATHS else value)
