"""An option: its default, and what else it may be, in Python and in a configuration."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any

LARGEST = 3.4028234e38  # of float32, in which the losses are weighted
KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
    list: (list, "a list"),
}


@dataclass(frozen=True)
class Option:
    """An option of DDAN's engine or a key of a configuration.

    Args:
        default: its type is the option's type. Elements of a list are of the first one's.
        taker: the callable that takes it: ``'data'`` (``ImageDataManager``), ``'optimizer'``
            (``build_optimizer``), ``'scheduler'`` (``build_lr_scheduler``), ``'run'``
            (``Engine.run``) or ``'engine'`` (``ImageDDANEngine``); empty for none of these.
        argument: under which argument.
        words: the only legal texts; empty for any.
        least: the smallest legal number, of a list's elements too; None for any.
        below: all legal numbers are smaller, where there is a smallest one.
    """

    default: Any
    taker: str = ""
    argument: str = ""
    _: KW_ONLY
    words: tuple[str, ...] = ()
    least: float | None = None
    below: float = LARGEST

    def check(self, name: str, value: Any) -> None:
        """Refuses a value of another type, another word, or a number out of range.

        Raises:
            ValueError: the message names the option and says what is legal.
        """
        if self.default is None and value is None:
            return
        kind = int if self.default is None else type(self.default)
        if not is_of(kind, value):
            raise ValueError(f"{name}={value!r} must be {KINDS[kind][1]}, such as {self.default!r}")
        if self.words:
            check_word(f"{name}=", value, self.words)
        if self.least is None:
            return
        values = value if isinstance(value, list) else [value]
        if not values or not all(self.least <= each < self.below for each in values):
            each = "a finite number" if kind is float else "a whole number"
            each = f"a list of {each[2:]}s" if kind is list else each
            end = "" if self.below == LARGEST else f" and below {self.below}"
            raise ValueError(f"{name}={value} must be {each}, {self.least} or more{end}")


def is_of(kind: type, value: Any) -> bool:
    """Whether a value is of a type; numpy's numbers are numbers, but True is none."""
    return isinstance(value, KINDS[kind][0]) and (kind is bool or not isinstance(value, bool))


def check_word(name: str, value: Any, words: Iterable[str]) -> None:
    """Refuses a value that is none of some words."""
    if value not in words:
        raise ValueError(f"{name}{value!r} is unknown; {nearest(str(value), words)}")


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest valid one, or all of them when none is near."""
    valid = list(valid)
    # Of a few, all can be read: only a slip of the pen is not answered with them.
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.75 if len(valid) <= 5 else 0.5)
    return f"did you mean {close[0]!r}?" if close else f"write one of {', '.join(valid)}"
