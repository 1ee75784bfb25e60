"""Values of a configuration: read from YAML or from the command line, and held to their type."""

from __future__ import annotations

import contextlib
import reprlib
from typing import Any

import yaml
from yacs.config import CfgNode

from .options import KINDS, is_of


class UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in a node: PyYAML keeps the last one and says nothing."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """What a YAML text holds, of plain types only.

    Raises:
        ValueError: it is not valid YAML, or a key stands twice in a node.
    """
    try:
        return yaml.load(text, UniqueKeyLoader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        # All but the first are how PyYAML fails on a date, number or tag that it cannot hold.
        raise ValueError(" ".join(str(error).split())) from None


def convert(default: Any, value: Any) -> Any:
    """The value as the type of the default, the elements of a list as those of the default's.

    Command lines hold texts only, so a text is read as YAML where no text is meant, and else as a
    Python literal: YAML 1.1 takes 5e-4 and (1, 2) for texts. A whole number stands for a fraction.

    Raises:
        ValueError: it has another type, or is a number that is not finite or beyond 64 bits; the
            message says what the value must be and what it is.
    """
    kind = KINDS[type(default)][1]
    try:
        value = _decoded(default, value)
        if not isinstance(default, list):
            return _scalar(default, value)
        if isinstance(value, (list, tuple)):
            kind = f"a list of {KINDS[type(default[0])][1].removeprefix('a ')}s"
            return [_scalar(default[0], _decoded(default[0], each)) for each in value]
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        # torch takes no number beyond 64 bits.
        kind += " between -2**63 and 2**63" if isinstance(error, OverflowError) else ""
    raise ValueError(f"must be {kind}, got {reprlib.repr(value)}")


def of_command_line(text: str) -> str | None:
    """What a word of the command line is in a file where a text is meant.

    It is without the quotes of YAML around it, and nothing where it is ``null``. Other words need
    no quotes to be texts, as on the command line nothing else is near them.
    """
    if text.lower() == "null":
        return None
    if text[:1] in ("'", '"') and text[-1:] == text[0]:
        with contextlib.suppress(ValueError):
            read = read_yaml(text)
            return read if isinstance(read, str) else text
    return text


def _decoded(default: Any, value: Any) -> Any:
    if not isinstance(value, str) or (isinstance(default, str) and default != "auto"):
        return value
    with contextlib.suppress(ValueError):
        read = read_yaml(value)
        if not isinstance(read, str):
            return read
    return CfgNode._decode_cfg_value(value)


def _scalar(default: Any, value: Any) -> Any:
    if default == "auto" and isinstance(value, bool):
        value = "on" if value else "off"  # as YAML 1.1 reads them where they stand without quotes
    if not is_of(type(default), value):
        raise TypeError
    if isinstance(value, (int, float)) and not -(2**63) <= value < 2**63:
        raise OverflowError
    return float(value) if isinstance(default, float) else value
