"""What a run that goes on must share with its checkpoint, compared before anything is loaded.

Every check raises a ValueError with one line that says what differs and what to write.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import distributed
from ..system.state_files import unprefixed

# What must be as it was for the rows of the identity head and of the ID pool to mean the same.
_MUST_EQUAL = ("model", "neck", "sources", "identities", "labels", "central_domain")
# What the saved state of an optimiser or of a schedule would replace in silence, and its key.
_KEYS = {
    "weight_decay": "train.weight_decay",
    "betas": "adam.beta1 and adam.beta2",
    "momentum": "sgd.momentum",
    "dampening": "sgd.dampening",
    "nesterov": "sgd.nesterov",
    "alpha": "rmsprop.alpha",
    "T_max": "train.max_epoch, where the cosine schedule ends,",
    "milestones": "train.stepsize",
    "step_size": "train.stepsize",
    "gamma": "train.gamma",
}
# Optimisers and schedules, by a setting that others lack: of two that hold, the first one.
_KINDS = {
    "alpha": "rmsprop",
    "nesterov": "sgd",
    "amsgrad": "adam",
    "betas": "radam",
    "T_max": "cosine",
    "milestones": "multi_step",
    "step_size": "single_step",
}


def check_data(path: Path, written: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuses another model or other data, where the rows of the identities would be others'.

    Args:
        path: of the checkpoint.
        written: what it says of model and data, see :func:`.checkpoint.describe`.
        now: the same of this run.
    """
    different = [key for key in _MUST_EQUAL if key in written and written[key] != now[key]]
    words = [f"{key} was {written[key]}, now {now[key]}" for key in different if key != "labels"]
    before = set(written.get("identity_names", now["identity_names"]))
    after = set(now["identity_names"])
    for names, verb in ((before - after, "gone"), (after - before, "new")):
        if names:
            words.append(f"{len(names)} identities are {verb}, such as {min(names)}")
    if "labels" in different and before == after:
        words.append("images were added, taken away or relabelled")
    if words:
        raise ValueError(
            f"{path} was written with another model or other data: {'; '.join(words)}. To "
            f"train on from its weights with a new identity head, write --fine-tune {path}"
        )


def check_fit(
    path: str | Path, models: dict[str, nn.Module], states: dict[str, dict[str, Any]]
) -> None:
    """Refuses networks of another size, which would fail with half of the checkpoint loaded.

    A module without parameters, such as the ID pool, takes what its own loading takes.
    """
    for name, state in states.items():
        module, weights = distributed.unwrapped(models[name]), unprefixed(state)
        own = {key: tuple(each.shape) for key, each in module.named_parameters()}
        saved = {key: tuple(each.shape) for key, each in weights.items() if key in own}
        wrong = [
            f"{key} was {saved[key]}, now {shape}" if key in saved else f"it has no {key}"
            for key, shape in own.items()
            if saved.get(key) != shape
        ]
        if own:
            wrong += [f"it has {key} too" for key in sorted({*weights} - {*module.state_dict()})]
        if wrong:
            raise ValueError(
                f"{path} does not fit the {name}: {wrong[0]}; resume with the model.name, the "
                "data.sources and the ddan.hidden_dim that it was written with"
            )


def check_options(
    path: str | Path,
    written: dict[str, Any],
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
    warmup_steps: int = 0,
) -> None:
    """Refuses other training options, as the checkpoint's would silently take their place."""
    now: dict[str, Any] = {"optimizer": optimizer.state_dict()}
    if scheduler is not None:
        now["scheduler"] = scheduler.state_dict()
    before, after = _options(written), _options(now) | {"ddan.warmup_steps": warmup_steps}
    changes = [
        f"{key} was {_plain(before[key])}, now {_plain(after[key])}"
        for key in before
        if key in after and before[key] != after[key]
    ]
    saved = written.get("optimizer")
    if saved and not changes and not _same_layers(saved, optimizer.param_groups):
        changes = ["train.new_layers named other layers"]
    if changes:
        raise ValueError(
            f"{path} was written with other training options: {'; '.join(changes)}; resume with "
            "the same"
        )


def check_batch_size(path: Path, written: dict[str, Any], now: int) -> None:
    """Refuses other batches for the rest of an epoch, which would begin at another image."""
    before = written.get("batch_size", now)
    if written.get("batch") and before != now:
        raise ValueError(
            f"{path} was written within an epoch, in batches of {before} images, now {now}; write "
            f"train.batch_size {before}, or resume from a checkpoint of a whole epoch"
        )


def _options(state: dict[str, Any]) -> dict[str, Any]:
    """What the parts of a checkpoint say of its configuration, by key."""
    options = {"ddan.warmup_steps": state.get("extra", {}).get("warmup", {}).get("steps", 0)}
    settings: dict[str, Any] = {}
    if optimizer := state.get("optimizer"):
        groups = optimizer["param_groups"]
        options |= {"train.optim": _kind(groups[0]), "train.staged_lr": len(groups) > 1}
        settings |= groups[0]
        if "max_momentum" in settings:  # PyTorch's cyclic schedules change these as they go
            settings = {k: v for k, v in settings.items() if k not in ("momentum", "betas")}
    if schedule := state.get("scheduler"):
        options["train.lr_scheduler"] = _kind(schedule)
        settings |= schedule
        # Of each parameter group before the first epoch; with train.staged_lr the last is train.lr.
        if rates := schedule.get("base_lrs"):
            options["train.lr"] = rates[-1]
            if len(rates) > 1:
                options["train.lr times train.base_lr_mult"] = rates[0]
    return options | {key: settings[name] for name, key in _KEYS.items() if name in settings}


def _kind(state: dict[str, Any]) -> str:
    kinds = (kind for key, kind in _KINDS.items() if key in state)
    return "amsgrad" if state.get("amsgrad") else next(kinds, "another one")


def _same_layers(written: dict[str, Any], groups: list[dict[str, Any]]) -> bool:
    """Whether what was saved of each parameter has the shape that the parameter has now."""
    before, now = ([g["params"] for g in each] for each in (written["param_groups"], groups))
    return [*map(len, before)] == [*map(len, now)] and not any(
        # A number of steps has no dimension.
        getattr(value, "shape", ()) not in ((), parameter.shape)
        for number, parameter in zip(chain(*before), chain(*now), strict=True)
        for value in written["state"].get(number, {}).values()
    )


def _plain(value: Any) -> Any:
    # As configurations have it: 10 for 10.0, and [1, 2] for a Counter of milestones.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return sorted(value) if isinstance(value, dict) else value
