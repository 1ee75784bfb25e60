"""Configurations: torchreid's, with a ``ddan:`` node, as defaults, YAML files and KEY VALUE pairs.

Files written for torchreid's ``scripts/main.py`` load unchanged.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from ..system.files import expanded
from .keys import ONLY_TRAINING, PATHS, SCHEMA
from .options import nearest
from .settings import DDANSettings
from .values import convert, of_command_line, read_yaml


def get_default_config() -> CfgNode:
    """Returns torchreid's default configuration with the ``ddan:`` node added."""
    config = CfgNode()
    for key, option in SCHEMA.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node.setdefault(parent, CfgNode())
        node[leaf] = copy.copy(option.default)
    return config


def arguments(config: CfgNode, taker: str) -> dict[str, Any]:
    """Keyword arguments that the configuration holds for a callable.

    Args:
        config: the configuration.
        taker: see :class:`~ddan_torchreid.config.options.Option`.
    """
    taken = {
        option.argument: value_of(config, key)
        for key, option in SCHEMA.items()
        if option.taker == taker
    }
    if taker == "scheduler":
        taken["max_epoch"] = config.train.max_epoch
    return taken


def settings_of(config: CfgNode) -> DDANSettings:
    """The options of DDAN's engine, checked.

    Raises:
        ValueError: an illegal value, or one that does not fit the sources; it names the key.
    """
    with options_named_as_keys():
        settings = DDANSettings(**arguments(config, "engine"))
        settings.check_sources(config.data.sources)
    return settings


@contextlib.contextmanager
def options_named_as_keys() -> Iterator[None]:
    """Errors that name options of the engine name their keys: ``top_k=0`` is ``ddan.top_k=0``."""
    try:
        yield
    except ValueError as error:
        names = [key.removeprefix("ddan.") for key in SCHEMA if key.startswith("ddan.")]
        # Those of one part are English words too, unless a value follows.
        words = [
            name + (r"\b" if "_" in name else "(?==| True| False| '| [0-9])") for name in names
        ]
        message = re.sub(rf"(?<![\w.-])(?={'|'.join(words)})", "ddan.", str(error))
        raise ValueError(message) from error


def forget_training(config: CfgNode) -> None:
    """Sets what a test does not read to its default, so that no test is refused for it.

    All terms but L_IDE get the weight 0: none asks for several sources or for a central domain.
    """
    for key in ONLY_TRAINING:
        if value_of(config, key) is not None:
            put(config, key, copy.copy(SCHEMA[key].default))
    for name in ("weight_triplet", "weight_adversarial", "weight_similarity"):
        config.ddan[name] = 0.0


def find_file(name: str) -> Path:
    """Finds a configuration file: a path, or the name of one that ships with the package.

    Raises:
        FileNotFoundError: neither exists; the message names the nearest shipped one.
    """
    name = expanded(name)
    return Path(name) if Path(name).is_file() else shipped_file(name)


def shipped_file(name: str) -> Path:
    """The configuration file of the package that has this name.

    Raises:
        FileNotFoundError: there is none; the message names the nearest one.
    """
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


def value_of(config: CfgNode, key: str) -> Any:
    """What a configuration holds under a dotted key; None where there is no such key."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return None
        node = node[part]
    return node


def put(config: CfgNode, key: str, value: Any) -> None:
    """Sets the value of a dotted key.

    Raises:
        KeyError: the configuration has no such key.
    """
    section, _, leaf = key.rpartition(".")
    node = value_of(config, section) if section else config
    if leaf not in node:
        raise KeyError(key)
    node[leaf] = value


def known_keys(config: CfgNode) -> list[str]:
    """All keys of a configuration, with dots."""
    return [key for key, _ in _flatten(config, config)]


def changes(config: CfgNode) -> str:
    """The keys that differ from torchreid's defaults and DDAN's, one a line, for people.

    Keys without a default here, such as those of another version of torchreid, are left out.
    """
    lines = [
        f"{key}: {value_of(config, key)}"
        for key, option in SCHEMA.items()
        if value_of(config, key) != option.default
    ]
    return "\n".join(lines)


def _flatten(config: CfgNode, content: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots and their values: what is a node in the configuration is gone into."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and isinstance(value_of(config, key), CfgNode):
            yield from _flatten(config, value, f"{key}.")
        else:
            yield key, value


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
    default = SCHEMA[key].default if key in SCHEMA else value_of(config, key)
    try:
        value = convert(default, value)
    except ValueError as error:
        raise ValueError(f"{key} in {where} {error}; for example {key}: {default!r}") from None
    put(config, key, expanded(value) if key in PATHS else value)
