"""What a run that goes on must share with its checkpoint, compared before anything is loaded.

Every check raises a ValueError with one line that says what differs and what to write.
"""

from __future__ import annotations

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
    before = written.get("optimizer")
    changes = _optimizer_changes(before, optimizer) if before else []
    if changes:
        raise ValueError(
            f"{path} was written with another optimiser: {'; '.join(changes)}; resume with the same"
        )
    before = written.get("scheduler")
    changes = _schedule_changes(before, scheduler.state_dict()) if before and scheduler else []
    steps = written.get("extra", {}).get("warmup", {}).get("steps", 0)
    if steps != warmup_steps:
        changes.append(f"ddan.warmup_steps was {steps}, now {warmup_steps}")
    if changes:
        raise ValueError(
            f"{path} was written with another learning-rate schedule: {'; '.join(changes)}; resume "
            "with the same train.max_epoch, train.lr, train.lr_scheduler, train.stepsize, "
            "train.gamma and ddan.warmup_steps"
        )


def check_batch_size(path: Path, written: dict[str, Any], now: int) -> None:
    """Refuses other batches for the rest of an epoch, which would begin at another image."""
    before = written.get("batch_size", now)
    if written.get("batch") and before != now:
        raise ValueError(
            f"{path} was written within an epoch, in batches of {before} images, now {now}; write "
            f"train.batch_size {before}, or resume from a checkpoint of a whole epoch"
        )


def _optimizer_changes(written: dict[str, Any], optimizer: torch.optim.Optimizer) -> list[str]:
    before, after = written["param_groups"], optimizer.param_groups
    if (was := _kind(before[0])) != (now := _kind(after[0])):
        return [f"train.optim was {was}, now {now}"]
    if len(before) != len(after):
        return [f"train.staged_lr was {len(before) > 1}, now {len(after) > 1}"]
    for old, new in zip(before, after, strict=True):
        saved = [written["state"].get(number, {}).values() for number in old["params"]]
        if len(saved) != len(new["params"]) or any(
            # A number of steps has no dimension.
            getattr(value, "shape", ()) not in ((), parameter.shape)
            for values, parameter in zip(saved, new["params"], strict=True)
            for value in values
        ):
            return ["train.new_layers named other layers"]
    # PyTorch's cyclic schedules change these as they go.
    moving = ("momentum", "betas") if "max_momentum" in after[0] else ()
    return _changed({key: value for key, value in before[0].items() if key not in moving}, after[0])


def _schedule_changes(written: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if (kind := _kind(written)) != (kind_now := _kind(now)):
        return [f"train.lr_scheduler was {kind}, now {kind_now}"]
    words = _changed(written, now)
    # Of each parameter group before the first epoch; with train.staged_lr the last is train.lr.
    before, after = (list(state.get("base_lrs", ())) for state in (written, now))
    if before and after and before[-1] != after[-1]:
        words.append(f"train.lr was {before[-1]}, now {after[-1]}")
    elif before and after and before != after:
        words.append(f"train.lr times train.base_lr_mult was {before[0]}, now {after[0]}")
    return words


def _kind(state: dict[str, Any]) -> str:
    if state.get("amsgrad"):
        return "amsgrad"
    return next((kind for key, kind in _KINDS.items() if key in state), "another one")


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{key} was {_plain(before[name])}, now {_plain(now[name])}"
        for name, key in _KEYS.items()
        if name in before and name in now and before[name] != now[name]
    ]


def _plain(value: Any) -> Any:
    # As configurations have it: 10 for 10.0, and [1, 2] for a Counter of milestones.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return sorted(value) if isinstance(value, dict) else value
