"""Checkpoints: torchreid's files, with all that DDAN adds, and nothing that would run code.

Every registered model has a file of its own; :mod:`ddan_torchreid.training.checkpoint_store` says
where. All of them load with ``torch.load(weights_only=True)`` and with torchreid's own functions,
which begin an epoch in progress again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from torchvision.transforms import InterpolationMode

from .. import distributed
from ..data.labels import identity_names, label_digest
from ..data.sharding import ShardedSampler
from ..evaluation import Scores, as_row, mean_scores
from ..system import random_state
from ..system.state_files import details, read, unprefixed, write
from .checkpoint_store import Keeper, Position
from .engine_state import EngineState


def save(
    engine: EngineState,
    keeper: Keeper,
    position: Position,
    scores: dict[str, Scores] | None = None,
    untested: bool = False,
) -> None:
    """Writes one file for each model registered with an engine.

    Args:
        scores: by target; None without a test.
        untested: a test follows that was not finished.

    Raises:
        OSError: a file cannot be written; the checkpoints before it are whole.
    """
    common: dict[str, Any] = {
        "epoch": position.epoch,
        "batch": position.batch,
        "batch_size": batch_size(engine.train_loader),
        "run": keeper.run,
    }
    # NumPy scalars, as torchreid saves them, cannot be loaded with weights_only.
    means = {key: float(value) for key, value in mean_scores(scores).items()} if scores else {}
    if means:
        common["rank1"] = means["rank-1"]
    names = engine.get_model_names()
    for name, path in keeper.paths(names, position).items():
        state = {"state_dict": engine._models[name].state_dict(), **common}
        for part, objects in (("optimizer", engine._optims), ("scheduler", engine._scheds)):
            if objects[name] is not None:
                state[part] = objects[name].state_dict()
        if name == "model":
            state["ddan"] = describe(engine) | {"parts": names, "untested": untested}
            state["random"] = distributed.collect(random_state.capture())
            state["extra"] = {key: each.state_dict() for key, each in engine.extra_states.items()}
            if scores:
                numbers = {
                    target: {key: float(value) for key, value in as_row(each).items()}
                    for target, each in scores.items()
                }
                state["ddan"] |= {"scores": numbers, "mean_ap": means["mAP"]}
        if distributed.is_first():
            write(state, path)
    if distributed.is_first():
        keeper.written(position, names, means.get("mAP"))
    print(f'Checkpoint saved to "{path}"')


def load_weights(
    model: nn.Module, path: str | Path, new_head: bool = False, tested: bool = False
) -> None:
    """Loads the weights of a checkpoint into a model, all but an identity head of another size.

    Args:
        path: a checkpoint with or without ``module.`` prefixes.
        new_head: leave the classifier as it is, even if its size fits: it is of other identities.
            A neck that the file lacks stays new too.
        tested: the weights are tested as they are, so their neck must be loaded.

    Raises:
        ValueError: weights that the model has are missing in the file or have another shape, or
            only one of them has a neck; the message says what to write.
    """
    saved = read(path)
    state = unprefixed(saved)
    bare = distributed.unwrapped(model)
    own = bare.state_dict()
    fitting = {
        key: value for key, value in state.items() if key in own and own[key].shape == value.shape
    }
    has_neck, neck = (any(key.startswith("neck.") for key in each) for each in (own, state))
    optional = ("classifier.",) if neck else ("classifier.", "neck.")
    wrong = [key for key in own if key not in fitting and not key.startswith(optional)]
    if wrong:
        name = details(saved).get("model")
        hint = f"write model.name {name}, which it is of" if name else "check model.name"
        raise ValueError(
            f"{path} does not fit the model: {len(wrong)} of {len(own)} tensors are missing or "
            f"have another shape, such as {wrong[0]}; {hint}"
        )
    if (has_neck and not neck and not new_head) or (neck and not has_neck and tested):
        raise ValueError(
            f"{path} is of a model {'with a' if neck else 'without'} neck; write loss.name ddan "
            f"and ddan.neck {'bn' if neck else 'none'}"
        )
    if new_head:
        fitting = {k: value for k, value in fitting.items() if not k.startswith("classifier.")}
    bare.load_state_dict(fitting, strict=False)
    bare.weights_from = str(path)
    skipped = sorted(set(state) - set(fitting))
    print(
        f'Loaded {len(fitting)} of {len(own)} tensors from "{path}"'
        + (f", without {', '.join(skipped)}" if skipped else "")
        + ("; optimiser, discriminator and ID pool start anew" if new_head else "")
    )


def batch_size(loader: Any) -> int:
    """Images in a batch of all processes together."""
    sampler = loader.sampler
    return int((sampler if isinstance(sampler, ShardedSampler) else loader).batch_size)


def describe(engine: EngineState) -> dict[str, Any]:
    """What a checkpoint says of the model, its images and its data, beside the weights."""
    bare = distributed.unwrapped(engine.model)
    data = engine.datamanager
    train = engine.train_loader.dataset.train
    index = engine.objective.central
    metadata = {
        "model": bare.name,
        "neck": engine.settings.neck,
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
        if isinstance(mode := getattr(each, "interpolation", None), InterpolationMode):
            metadata["interpolation"] = mode.value
    if engine.configuration is not None:
        metadata["configuration"] = engine.configuration
    return metadata
