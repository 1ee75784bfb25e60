"""Going on from a checkpoint: all is compared first, so that what is refused changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from . import checkpoint, distributed
from .checkpoint_files import Position, read_set
from .state_files import misfit, optimizer_changes, read, schedule_changes, unprefixed

if TYPE_CHECKING:
    from .engine import ImageDDANEngine

# What must be as it was for the rows of the identity head and of the ID pool to mean the same.
_MUST_EQUAL = ("model", "sources", "identities", "labels", "central_domain")


def resume(engine: ImageDDANEngine, path: str | Path) -> int:
    """Continues from a checkpoint: models, optimisers and schedulers of the whole engine.

    The next ``engine.run`` from the epoch that is returned goes on where the checkpoint was
    written, within an epoch too.

    Args:
        engine: an engine built as it was when the checkpoint was written.
        path: the model's checkpoint, ``<save_dir>/model/model.pth.tar-N``.

    Returns:
        The epoch to start from.

    Raises:
        ValueError: other sources, other identities, another central domain, another optimiser,
            another learning rate or schedule than when the checkpoint was written, or within an
            epoch another batch size; the message lists the differences.
        FileNotFoundError: the checkpoint, or the discriminator's or ID pool's beside it, is
            missing.
        OSError: a file cannot be read now.
    """
    path = Path(path)
    # All is read and compared before anything is loaded, so what is refused leaves the engine
    # whole.
    written = read(path, mmap=True).get("ddan", {})
    now = checkpoint.describe(engine)
    undecided = engine.settings.needs_central_domain and engine.objective.central is None
    if undecided:
        now["central_domain"] = written.get("central_domain")
    different = _differences(written, now)
    if different:
        raise ValueError(
            f"{path} was written with another model or other data: {'; '.join(different)}. To "
            f"train on from its weights with a new identity head, write --fine-tune {path}"
        )
    states = read_set(path, engine.get_model_names())
    _check_parts(engine, path, states)
    _check_options(path, states["model"], engine.optimizer, engine.scheduler)
    _check_batch_size(engine, path, states["model"])
    if undecided and written.get("central_domain"):
        engine.objective.set_central_domain(written["central_domain"])
    for name, state in states.items():
        checkpoint.unwrapped(engine._models[name]).load_state_dict(unprefixed(state))
        for part, objects in (("optimizer", engine._optims), ("scheduler", engine._scheds)):
            if objects[name] is not None and part in state:
                objects[name].load_state_dict(state[part])
    state = states["model"]
    for name, each in state.get("extra", {}).items():
        if name in engine.extra_states:
            engine.extra_states[name].load_state_dict(each)
    engine.started = state.get("run", engine.started)
    position = Position(int(state["epoch"]), int(state.get("batch", 0)))
    generators = dict(enumerate(state.get("random", ())))
    engine.resumed = checkpoint.ResumePoint(
        position, bool(written.get("untested")), generators.get(distributed.rank())
    )
    print(f'Resumed from "{path}", {position}')
    return engine.resumed.first_epoch


def resume_baseline(
    path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any = None
) -> int:
    """Continues a run of one of torchreid's own engines, as ``resume_from_checkpoint`` did.

    That function cannot load torchreid's own files under a PyTorch whose ``torch.load`` runs no
    code.

    Args:
        path: the checkpoint, with or without ``module.`` prefixes.
        model: wrapped in ``DataParallel`` or not.
        optimizer: its optimiser.
        scheduler: its learning-rate scheduler, or None.

    Returns:
        The epoch to start from.

    Raises:
        ValueError: the checkpoint is of another model, of another number of identities, or of
            another optimiser, learning rate or schedule; nothing has been loaded then.
    """
    state, bare = read(path), checkpoint.unwrapped(model)
    if "epoch" not in state:
        raise ValueError(
            f"{path} holds weights, and no training to go on with; write model.load_weights {path}"
        )
    weights = unprefixed(state)
    wrong = misfit(bare, weights)
    if wrong:
        raise ValueError(
            f"{path} does not fit the model: {wrong}; resume with the model.name and the "
            "data.sources that it was written with"
        )
    _check_options(path, state, optimizer, scheduler)
    bare.load_state_dict(weights)
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    if scheduler is not None and "scheduler" in state:
        scheduler.load_state_dict(state["scheduler"])
    print(f'Resumed from "{path}", epoch {state["epoch"]}')
    return int(state["epoch"])


def _check_parts(engine: ImageDDANEngine, path: Path, states: dict[str, Any]) -> None:
    """Refuses networks of another size, which would fail with half of the checkpoint loaded."""
    for name, state in states.items():
        wrong = misfit(checkpoint.unwrapped(engine._models[name]), unprefixed(state))
        if wrong and name == "discriminator":
            wrong += "; resume with the same ddan.hidden_dim"
        if wrong:
            raise ValueError(f"{path} does not fit the {name} of this run: {wrong}")


def _check_options(
    path: str | Path, written: dict[str, Any], optimizer: torch.optim.Optimizer, scheduler: Any
) -> None:
    """Refuses other training options, as the checkpoint's would silently take their place."""
    before = written.get("optimizer")
    changes = optimizer_changes(before, optimizer) if before else []
    if changes:
        raise ValueError(
            f"{path} was written with another optimiser: {'; '.join(changes)}; resume with the same"
        )
    before = written.get("scheduler")
    changes = schedule_changes(before, scheduler.state_dict()) if before and scheduler else []
    if changes:
        raise ValueError(
            f"{path} was written with another learning-rate schedule: {'; '.join(changes)}; resume "
            "with the same train.max_epoch, train.lr, train.lr_scheduler, train.stepsize and "
            "train.gamma"
        )


def _check_batch_size(engine: ImageDDANEngine, path: Path, written: dict[str, Any]) -> None:
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
