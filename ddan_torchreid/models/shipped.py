"""The weights that come with the package under the name ``ddan``, and what starts from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..system.state_files import details, read, unprefixed
from .ddan_model import DDANModel

NAME = "ddan"
"""Means the shipped weights wherever weights are named; a file of that name is ``./ddan``."""

SHA256 = "2306eb6fedaf37f4e1342c477a98d7321f9b8ffb72a4a52ccbace80e1cc22aca"

FILE = Path(__file__).parents[1] / "weights" / "ddan_strong.pth"


def weights_file(named: str | Path) -> str | Path:
    """The file that somebody means who names weights: ``ddan`` is the shipped one.

    Raises:
        ValueError: the shipped one is not as it was shipped; its features would look plausible.
        OSError: it cannot be read.
    """
    if named != NAME:
        return named
    again = "install ddan_torchreid again, or name other weights"
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise OSError(error.errno, f"{FILE} cannot be read: {error.strerror}; {again}") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{FILE} is damaged; {again}")
    return FILE


def announce(named: str | Path) -> None:
    """Says that the shipped weights are used, which a command does unless others are named."""
    if named == NAME:
        print(f"Weights: {FILE.name}, which comes with the package; for research only")


def build_named(
    name: str, factory: Callable[..., DDANModel], *args: Any, **keywords: Any
) -> DDANModel:
    """Builds a model that knows its registered name, which its checkpoints then carry.

    Args:
        name: under which torchreid knows it.
        factory: of the model, called with all further arguments.
        pretrained: ``'ddan'`` starts from the shipped weights, with a new classifier.

    Raises:
        ValueError: ``pretrained`` names something else, or the shipped weights are of another
            network or damaged.
    """
    pretrained = keywords.get("pretrained")
    shipped = pretrained == NAME
    if isinstance(pretrained, (str, Path)) and not shipped:
        raise ValueError(
            f"pretrained is {str(pretrained)!r}; write {NAME!r} for the weights of the package, "
            "True for ImageNet's, or False and load others into the model"
        )
    state = read(weights_file(NAME)) if shipped else {}
    if shipped and (of := details(state)["model"]) != name:
        raise ValueError(f"the weights {NAME!r} are of {of}, not of {name}; build that one")
    model = factory(*args, **keywords | ({"pretrained": False} if shipped else {}))
    model.name = name
    if shipped:
        model.load_state_dict(unprefixed(state), strict=False)
        model.weights_from = str(FILE)
    return model
