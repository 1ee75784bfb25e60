"""Going on from a checkpoint: all is compared first, so that what is refused changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import distributed
from ..system.state_files import read, unprefixed
from . import checkpoint, resume_checks
from .checkpoint_store import Position, ResumePoint, read_set
from .engine_state import EngineState


def resume(engine: EngineState, path: str | Path) -> int:
    """Continues from a checkpoint: models, optimisers and schedulers of the whole engine.

    The next ``engine.run`` from the epoch that is returned goes on where the checkpoint was
    written, within an epoch too. A checkpoint that is refused leaves the engine as it was.

    Args:
        engine: an engine built as it was when the checkpoint was written.
        path: the model's checkpoint, ``<save_dir>/model/model.pth.tar-N``.

    Raises:
        ValueError: other sources, identities, central domain, optimiser, learning rate or schedule
            than when the checkpoint was written, or within an epoch another batch size; the
            message lists the differences.
        FileNotFoundError: the file of the model, the discriminator or the ID pool is missing.
        OSError: a file cannot be read now.
    """
    path = Path(path)
    # Files from before the option are of models with a neck.
    written = {"neck": "bn"} | read(path, mmap=True).get("ddan", {})
    now = checkpoint.describe(engine)
    undecided = engine.settings.needs_central_domain and engine.objective.central is None
    if undecided:
        now["central_domain"] = written.get("central_domain")
    resume_checks.check_data(path, written, now)
    states = read_set(path, engine.get_model_names())
    state, settings = states["model"], engine.settings
    resume_checks.check_fit(path, engine._models, states)
    resume_checks.check_options(
        path, state, engine.optimizer, engine.scheduler, settings.warmup_steps
    )
    resume_checks.check_batch_size(path, state, checkpoint.batch_size(engine.train_loader))

    if undecided and written.get("central_domain"):
        engine.objective.set_central_domain(written["central_domain"])
    for name, each in states.items():
        _load(each, engine._models[name], engine._optims[name], engine._scheds[name])
    engine.bare_model.weights_from = str(path)
    for name, each in state.get("extra", {}).items():
        if name in engine.extra_states:
            engine.extra_states[name].load_state_dict(each)
    engine.started = state.get("run", engine.started)
    position = Position(int(state["epoch"]), int(state.get("batch", 0)))
    generators = dict(enumerate(state.get("random", ())))
    engine.resumed = ResumePoint(
        position, bool(written.get("untested")), generators.get(distributed.rank())
    )
    print(f'Resumed from "{path}", {position}')
    return engine.resumed.first_epoch


def resume_baseline(
    path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any = None
) -> int:
    """Continues a run of one of torchreid's own engines; returns the epoch to start from.

    torchreid's ``resume_from_checkpoint`` cannot load its own files under a PyTorch whose
    ``torch.load`` runs no code.

    Raises:
        ValueError: the checkpoint is of another model, of another number of identities, or of
            another optimiser, learning rate or schedule; nothing has been loaded then.
    """
    state = read(path)
    if "epoch" not in state:
        raise ValueError(
            f"{path} holds weights, and no training to go on with; write model.load_weights {path}"
        )
    resume_checks.check_fit(path, {"model": model}, {"model": state})
    resume_checks.check_options(path, state, optimizer, scheduler)
    _load(state, model, optimizer, scheduler)
    print(f'Resumed from "{path}", epoch {state["epoch"]}')
    return int(state["epoch"])


def _load(state: dict[str, Any], model: nn.Module, optimizer: Any, scheduler: Any) -> None:
    distributed.unwrapped(model).load_state_dict(unprefixed(state))
    for part, each in (("optimizer", optimizer), ("scheduler", scheduler)):
        if each is not None and part in state:
            each.load_state_dict(state[part])
