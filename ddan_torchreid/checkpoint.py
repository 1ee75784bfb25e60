"""Checkpoints: torchreid's files, with all that DDAN adds, and nothing that would run code.

Every registered model has a file of its own; :mod:`ddan_torchreid.checkpoint_files` says where. All
of them load with ``torch.load(weights_only=True)`` and with torchreid's own functions, which see an
epoch in progress as not begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from . import distributed, random_state
from .checkpoint_files import Keeper, Position, read_set
from .data.labels import identity_names, label_digest
from .evaluation import Scores, as_row, mean_scores
from .state_files import read, unprefixed, write

if TYPE_CHECKING:
    from .engine import ImageDDANEngine

# What must be as it was for the rows of the identity head and of the ID pool to mean the same.
_MUST_EQUAL = ("model", "sources", "identities", "labels", "central_domain")

# What a learning-rate schedule is made of; train.max_epoch is T_max of the cosine schedule only.
_SCHEDULE = ("T_max", "milestones", "step_size", "gamma")


@dataclass(frozen=True)
class ResumePoint:
    """Where a checkpoint continues.

    Attributes:
        position: how far its run had come.
        untested: the test that follows its last epoch was not finished.
        random: state of this process's generators, from `random_state.capture`; None of a process
            that the run did not have.
    """

    position: Position
    untested: bool = False
    random: dict[str, Any] | None = None

    @property
    def first_epoch(self) -> int:
        """Epoch (0-based) that torchreid's loop begins with; one that is only tested counts."""
        return self.position.epoch - self.untested


def save(
    engine: ImageDDANEngine,
    keeper: Keeper,
    position: Position,
    scores: dict[str, Scores] | None = None,
    untested: bool = False,
) -> None:
    """Writes one file for each model registered with an engine.

    Args:
        engine: the engine.
        keeper: of the output folder.
        position: how far the run has come.
        scores: by target; None without a test.
        untested: a test follows that was not finished.

    Raises:
        OSError: a file cannot be written; the checkpoints before it are whole.
    """
    common: dict[str, Any] = {
        "epoch": position.epoch,
        "batch": position.batch,
        "run": keeper.run,
    }
    means = mean_scores(scores) if scores else {}
    if means:
        # A NumPy scalar, as torchreid saves it, cannot be loaded with weights_only.
        common["rank1"] = float(means["rank-1"])
    names = engine.get_model_names()
    for name, path in keeper.paths(names, position).items():
        state = {"state_dict": engine._models[name].state_dict(), **common}
        for part, objects in (("optimizer", engine._optims), ("scheduler", engine._scheds)):
            if objects[name] is not None:
                state[part] = objects[name].state_dict()
        if name == "model":
            state["ddan"] = _metadata(engine) | {"parts": names, "untested": untested}
            state["random"] = distributed.collect(random_state.capture())
            state["extra"] = {key: each.state_dict() for key, each in engine.extra_states.items()}
            if scores:
                state["ddan"] |= {"scores": _as_numbers(scores), "mean_ap": float(means["mAP"])}
        if distributed.is_first():
            write(state, path)
    if distributed.is_first():
        keeper.written(position, names, float(means["mAP"]) if means else None)
    print(f'Checkpoint saved to "{path}"')


def load_weights(model: nn.Module, path: str | Path, new_head: bool = False) -> None:
    """Loads the weights of a checkpoint into a model, all but an identity head of another size.

    Args:
        model: wrapped in ``DataParallel`` or not.
        path: a checkpoint with or without ``module.`` prefixes.
        new_head: leave the classifier as it is, even if its size fits: it is of other identities.

    Raises:
        ValueError: weights that the model has are missing in the file or have another shape; the
            message names them.
    """
    state = unprefixed(read(path))
    bare = _bare(model)
    own = bare.state_dict()
    wrong = [
        key
        for key, value in own.items()
        if not key.startswith("classifier.")
        and (key not in state or state[key].shape != value.shape)
    ]
    if wrong:
        raise ValueError(
            f"{path} does not fit the model: {len(wrong)} of {len(own)} tensors are missing or "
            f"have another shape, such as {wrong[0]}; check model.name"
        )
    fitting = {
        key: value
        for key, value in state.items()
        if key in own
        and own[key].shape == value.shape
        and not (new_head and key.startswith("classifier."))
    }
    bare.load_state_dict(fitting, strict=False)
    skipped = sorted(set(state) - set(fitting))
    print(
        f'Loaded {len(fitting)} of {len(own)} tensors from "{path}"'
        + (f", without {', '.join(skipped)}" if skipped else "")
        + ("; optimiser, discriminator and ID pool start anew" if new_head else "")
    )


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
        ValueError: other sources, other identities, another central domain or another
            learning-rate schedule than when the checkpoint was written; the message lists the
            differences.
        FileNotFoundError: the checkpoint, or the discriminator's or ID pool's beside it, is
            missing.
    """
    path = Path(path)
    # Everything is read before anything is loaded, so a missing file leaves the engine whole.
    written = read(path, mmap=True).get("ddan", {})
    if engine.objective.central is None and written.get("central_domain"):
        engine.objective.set_central_domain(written["central_domain"])
    different = _differences(written, _metadata(engine))
    if different:
        raise ValueError(
            f"{path} was written with another model or other data: {'; '.join(different)}. To "
            f"train on from its weights with a new identity head, write --fine-tune {path}"
        )
    states = read_set(path, engine.get_model_names())
    _check_schedule(engine.scheduler, states["model"].get("scheduler", {}))
    for name, state in states.items():
        _bare(engine._models[name]).load_state_dict(unprefixed(state))
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
    engine.resumed = ResumePoint(
        position, bool(written.get("untested")), generators.get(distributed.rank())
    )
    print(f'Resumed from "{path}", {position}')
    return engine.resumed.first_epoch


def _check_schedule(scheduler: Any, written: dict[str, Any]) -> None:
    """Refuses another schedule, as the checkpoint's would silently take the place of it."""
    now = {} if scheduler is None else scheduler.state_dict()
    for key in _SCHEDULE:
        if key in written and key in now and written[key] != now[key]:
            raise ValueError(
                f"the checkpoint was written with another learning-rate schedule: {key} was "
                f"{_plain(written[key])}, now {_plain(now[key])}; resume with the same "
                "train.max_epoch, train.lr_scheduler, train.stepsize and train.gamma"
            )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, dict) else value


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


def _metadata(engine: ImageDDANEngine) -> dict[str, Any]:
    bare = _bare(engine.model)
    data = engine.datamanager
    train = engine.train_loader.dataset.train
    index = engine.objective.central
    metadata = {
        "model": bare.name,
        "height": data.height,
        "width": data.width,
        "sources": list(engine.sources),
        "identities": data.num_train_pids,
        "labels": label_digest(train),
        "identity_names": identity_names(train, engine.sources),
        "central_domain": None if index is None else engine.sources[index],
        "seed": engine.settings.seed,
    }
    for each in getattr(data.transform_te, "transforms", ()):
        if hasattr(each, "mean") and hasattr(each, "std"):
            metadata["norm_mean"] = [float(value) for value in each.mean]
            metadata["norm_std"] = [float(value) for value in each.std]
    if engine.configuration is not None:
        metadata["configuration"] = engine.configuration
    return metadata


def _as_numbers(scores: dict[str, Scores]) -> dict[str, dict[str, float]]:
    return {
        target: {key: float(value) for key, value in as_row(each).items()}
        for target, each in scores.items()
    }


def _bare(model: nn.Module) -> Any:
    return model.module if isinstance(model, nn.DataParallel) else model
