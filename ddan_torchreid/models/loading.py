"""Loading a trained model from its checkpoint alone, without naming its architecture."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchreid
from torch import Tensor

from ..system.state_files import details, read
from .backbones import BACKBONES, SPLITS
from .ddan_model import DDANModel, apply_neck
from .mobilenetv2 import FACTORIES
from .official import RELEASE_PARTS
from .shipped import NAME, build_named, weights_file


def load_model(path: str | Path = NAME, device: torch.device | str = "cpu") -> DDANModel:
    """Builds the model that a checkpoint is of, with its weights, in eval mode.

    The architecture is the one named in the checkpoint (``ddan`` / ``model``). Where none is named,
    it is the one of :data:`FACTORIES` and :data:`BACKBONES` whose tensors have the names and shapes
    of the file's. The number of identities is the number of classifier rows, or 1 with a new
    classifier where the file has none, and the model has a neck if the file has one. It is built
    with ``loss='ddan'`` and can be trained further; random state is not touched.

    Args:
        path: A model checkpoint of DDAN's engine, of :func:`convert_official`, of torchreid's
            engines, or a bare state dict, with or without ``module.`` prefixes. By default the
            weights that come with the package, which are for research only.
        device: Where the model is put.

    Returns:
        A model whose forward gives test-time features (B, D), not normalised.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint of a DDAN model, or of one that is not known here.
    """
    path = weights_file(path)
    state = read(path)
    weights = _model_weights(state, path)
    name = details(state).get("model")
    with torch.random.fork_rng(devices=[]):
        if name is None:
            model = _recognise(weights, path)
        else:
            model = _build(name, weights, path)
            if not _fits(model, weights):
                raise ValueError(
                    f"{path} says that it is of {name}, whose tensors have other names or shapes"
                )
    model.load_state_dict(weights, strict="classifier.weight" in weights)
    model.weights_from = str(path)
    return model.to(device).eval()


def _model_weights(state: dict[str, Any], path: str | Path) -> dict[str, Tensor]:
    """The state dict of a DDAN model, without ``module.`` prefixes."""
    if state.keys() >= RELEASE_PARTS:
        raise ValueError(f"{path} is the authors' release; convert it with convert_official first")
    content = state.get("state_dict", state)
    weights = {
        str(key).removeprefix("module."): value
        for key, value in content.items()
        if isinstance(value, Tensor)
    }
    if not all(any(key.startswith(part) for key in weights) for part in ("encoder.", "mapping.")):
        raise ValueError(
            f"{path} is not of a DDAN model, which has an encoder and a mapping; give the "
            "file of the folder 'model', not that of the discriminator or the identity pool"
        )
    return weights


def _build(name: str, weights: dict[str, Tensor], path: str | Path) -> DDANModel:
    known = FACTORIES | BACKBONES
    factory = known.get(name) or partial(torchreid.models.build_model, name)
    try:
        model = build_named(
            name,
            factory,
            num_classes=len(weights["classifier.weight"]) if "classifier.weight" in weights else 1,
            loss="ddan",
            pretrained=False,
            use_gpu=False,
        )
    except KeyError as error:
        raise ValueError(
            f"{path} is of {name!r}, which torchreid does not know; import what registers it first"
        ) from error
    if not any(key.startswith("neck.") for key in weights):
        apply_neck("none", model)
    return model


def _recognise(weights: dict[str, Tensor], path: str | Path) -> DDANModel:
    children = {key.split(".")[1] for key in weights if key.startswith("encoder.")}
    for name in (*BACKBONES, *FACTORIES):
        split = SPLITS.get(name.removeprefix("ddan_"))
        # Building a network takes a good part of a second; most are ruled out without.
        if split and not children <= {child.split(".")[0] for child in split.encoder}:
            continue
        model = _build(name, weights, path)
        if _fits(model, weights):
            return model
    raise ValueError(
        f"{path} fits none of {', '.join((*FACTORIES, *BACKBONES))}; for a network of your own, "
        "build the model and load the state dict into it"
    )


def _fits(model: DDANModel, weights: dict[str, Tensor]) -> bool:
    absent = () if "classifier.weight" in weights else ("classifier.",)
    own = {k: each.shape for k, each in model.state_dict().items() if not k.startswith(absent)}
    return own == {k: each.shape for k, each in weights.items()}
