"""The weights that come with the package under the name ``ddan``, and what starts from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..system.state_files import details, read, unprefixed
from .ddan_model import DDANModel

NAME = "ddan"
"""Means the shipped weights wherever weights are named; a file of that name is ``./ddan``."""

FILE = Path(__file__).parents[1] / "weights" / "ddan_strong.pth"


def weights_file(named: str | Path) -> str | Path:
    """The file that somebody means who names weights: ``ddan`` is the shipped one."""
    return FILE if str(named) == NAME else named


def announce(named: str | Path) -> None:
    """Says that the shipped weights are used, which a command does unless others are named."""
    if str(named) == NAME:
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
        ValueError: the shipped weights are of another network.
    """
    shipped = keywords.get("pretrained") == NAME
    state = read(FILE) if shipped else {}
    if shipped and (of := details(state)["model"]) != name:
        raise ValueError(f"the weights {NAME!r} are of {of}, not of {name}; build that one")
    model = factory(*args, **keywords | ({"pretrained": False} if shipped else {}))
    model.name = name
    if shipped:
        model.load_state_dict(unprefixed(state), strict=False)
        model.weights_from = str(FILE)
    return model
