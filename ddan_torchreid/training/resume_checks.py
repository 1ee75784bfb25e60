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
from . import checkpoint
from .engine_state import EngineState

# What must be as it was for the rows of the identity head and of the ID pool to mean the same.
_MUST_EQUAL = ("model", "neck", "sources", "identities", "labels", "central_domain")
# Settings of an optimiser that its saved state replaces in silence, and the keys that set them.
_SETTINGS = {
    "weight_decay": "train.weight_decay",
    "betas": "adam.beta1 and adam.beta2",
    "momentum": "sgd.momentum",
    "dampening": "sgd.dampening",
    "nesterov": "sgd.nesterov",
    "alpha": "rmsprop.alpha",
}
# What a learning-rate schedule is made of, and the only schedule that has it, if it is one's alone.
# train.max_epoch is T_max of the cosine schedule only.
_SCHEDULE = {
    "T_max": "cosine",
    "milestones": "multi_step",
    "step_size": "single_step",
    "gamma": None,
}
# What a user writes for them.
_WRITTEN = {
    "T_max": "train.max_epoch, where the cosine schedule ends,",
    "milestones": "train.stepsize",
    "step_size": "train.stepsize",
    "gamma": "train.gamma",
}


def check_data(path: Path, written: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuses another model or other data, where what was saved of each identity means another.

    Args:
        path: of the checkpoint.
        written: what it says of model and data, see :func:`.checkpoint.describe`.
        now: the same of this run.
    """
    different = _differences(written, now)
    if different:
        raise ValueError(
            f"{path} was written with another model or other data: {'; '.join(different)}. To "
            f"train on from its weights with a new identity head, write --fine-tune {path}"
        )


def check_weights(path: str | Path, module: nn.Module, weights: dict[str, Any]) -> None:
    """Refuses the weights of another model or of other identities."""
    wrong = _misfit(module, weights)
    if wrong:
        raise ValueError(
            f"{path} does not fit the model: {wrong}; resume with the model.name and the "
            "data.sources that it was written with"
        )


def check_parts(engine: EngineState, path: Path, states: dict[str, Any]) -> None:
    """Refuses networks of another size, which would fail with half of the checkpoint loaded."""
    for name, state in states.items():
        wrong = _misfit(distributed.unwrapped(engine._models[name]), unprefixed(state))
        if wrong and name == "discriminator":
            wrong += "; resume with the same ddan.hidden_dim"
        if wrong:
            raise ValueError(f"{path} does not fit the {name} of this run: {wrong}")


def check_options(
    path: str | Path, written: dict[str, Any], optimizer: torch.optim.Optimizer, scheduler: Any
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
    if changes:
        raise ValueError(
            f"{path} was written with another learning-rate schedule: {'; '.join(changes)}; resume "
            "with the same train.max_epoch, train.lr, train.lr_scheduler, train.stepsize and "
            "train.gamma"
        )


def check_warmup(engine: EngineState, path: Path, written: dict[str, Any]) -> None:
    """Refuses another warm-up, as another schedule of the learning rate."""
    now = engine.settings.warmup_steps
    before = written.get("extra", {}).get("warmup", {}).get("steps", 0)
    if before != now:
        raise ValueError(
            f"{path} was written with another learning-rate schedule: ddan.warmup_steps was "
            f"{before}, now {now}; resume with the same"
        )


def check_batch_size(engine: EngineState, path: Path, written: dict[str, Any]) -> None:
    """Refuses other batches for the rest of an epoch, which would begin at another image."""
    now = checkpoint.batch_size(engine.train_loader)
    before = written.get("batch_size", now)
    if written.get("batch") and before != now:
        raise ValueError(
            f"{path} was written within an epoch, in batches of {before} images, now {now}; write "
            f"train.batch_size {before}, or resume from a checkpoint of a whole epoch"
        )


def _differences(written: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was when a checkpoint was written, in words."""
    different = [key for key in _MUST_EQUAL if key in written and written[key] != now[key]]
    words = [f"{key} was {written[key]}, now {now[key]}" for key in different if key != "labels"]
    before = set(written.get("identity_names", now["identity_names"]))
    after = set(now["identity_names"])
    for names, verb in ((before - after, "gone"), (after - before, "new")):
        if names:
            words.append(f"{len(names)} identities are {verb}, such as {min(names)}")
    if "labels" in different and before == after:
        words.append("images were added, taken away or relabelled")
    return words


def _misfit(module: nn.Module, weights: dict[str, Any]) -> str:
    """Says in words where the saved weights of a module are not those of this one.

    Args:
        module: as it is now; one without parameters takes whatever its own loading takes.
        weights: its ``state_dict`` in a checkpoint, without prefix.

    Returns:
        A tensor that only one of them has, or a parameter of another shape; empty if all fit.
    """
    parameters = dict(module.named_parameters())
    if not parameters:
        return ""
    for name, now in parameters.items():
        if name not in weights:
            return f"it has no {name}"
        before = weights[name].shape
        if before != now.shape:
            return f"{name} was {tuple(before)}, now {tuple(now.shape)}"
    extra = set(weights) - {*parameters, *(name for name, _ in module.named_buffers())}
    return f"it has {min(extra)} too" if extra else ""


def _optimizer_changes(written: dict[str, Any], optimizer: torch.optim.Optimizer) -> list[str]:
    """What loading an optimiser's state would replace or fail on, in words.

    Args:
        written: its ``state_dict`` in a checkpoint.
        optimizer: the one that would load it.
    """
    before, after = written["param_groups"], optimizer.param_groups
    kinds = _optimizer_kind(before[0]), _optimizer_kind(after[0])
    if kinds[0] != kinds[1]:
        return [f"train.optim was {kinds[0]}, now {kinds[1]}"]
    if len(before) != len(after):
        return [f"train.staged_lr was {len(before) > 1}, now {len(after) > 1}"]
    if not _same_parameters(written, optimizer):
        return ["train.new_layers named other layers"]
    return [
        f"{key} was {before[0][name]}, now {after[0][name]}"
        for name, key in _SETTINGS.items()
        if name in before[0]
        and name in after[0]
        and before[0][name] != after[0][name]
        # PyTorch's cyclic schedules, which no configuration has, change these as they go.
        and not (name in ("momentum", "betas") and "max_momentum" in after[0])
    ]


def _schedule_changes(written: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of a learning-rate schedule its saved state would replace, in words.

    Args:
        written: its ``state_dict`` in a checkpoint.
        now: that of the schedule that would load it.
    """
    kinds = _schedule_kind(written), _schedule_kind(now)
    if kinds[0] != kinds[1]:
        return [f"train.lr_scheduler was {kinds[0]}, now {kinds[1]}"]
    words = [
        f"{_WRITTEN.get(key, key)} was {_plain(written[key])}, now {_plain(now[key])}"
        for key in _SCHEDULE
        if key in written and key in now and written[key] != now[key]
    ]
    # Of each parameter group before the first epoch; with train.staged_lr the last is train.lr.
    before, after = (list(state.get("base_lrs", ())) for state in (written, now))
    if before and after and before[-1] != after[-1]:
        words.append(f"train.lr was {before[-1]}, now {after[-1]}")
    elif before and after and before != after:
        words.append(f"train.lr times train.base_lr_mult was {before[0]}, now {after[0]}")
    return words


def _optimizer_kind(group: dict[str, Any]) -> str:
    """The optimiser of ``train.optim`` whose settings these are."""
    if "amsgrad" in group:
        return "amsgrad" if group["amsgrad"] else "adam"
    kinds = {"alpha": "rmsprop", "nesterov": "sgd", "betas": "radam"}
    return next((kind for key, kind in kinds.items() if key in group), "another one")


def _same_parameters(written: dict[str, Any], optimizer: torch.optim.Optimizer) -> bool:
    """Whether the groups have as many parameters, and the state of each has its shape."""
    for before, after in zip(written["param_groups"], optimizer.param_groups, strict=True):
        if len(before["params"]) != len(after["params"]):
            return False
        for number, parameter in zip(before["params"], after["params"], strict=True):
            for value in written["state"].get(number, {}).values():
                # A number of steps has no dimension.
                if getattr(value, "shape", ()) not in ((), parameter.shape):
                    return False
    return True


def _schedule_kind(state: dict[str, Any]) -> str:
    """The ``train.lr_scheduler`` whose state this is."""
    return next((kind for key, kind in _SCHEDULE.items() if kind and key in state), "another one")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return sorted(value) if isinstance(value, dict) else value
