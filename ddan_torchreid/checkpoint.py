"""Checkpoints: torchreid's files, written whole or not at all, with all that DDAN adds.

Every registered model has its own ``<save_dir>/<name>/model.pth.tar-<epoch>``: ``model``,
``discriminator`` and ``identity_pool``. The model's is written last, so where it exists the others
do too. All of them load with ``torch.load(weights_only=True)`` and with torchreid's own functions.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from .data.labels import label_digest
from .state_files import read, unprefixed, write

if TYPE_CHECKING:
    from .engine import ImageDDANEngine


def save(
    engine: ImageDDANEngine, epoch: int, rank1: float, save_dir: str, is_best: bool = False
) -> None:
    """Writes one file for each model registered with an engine.

    Args:
        engine: the engine.
        epoch: 0-based epoch that ended.
        rank1: a fraction.
        save_dir: output folder.
        is_best: also write ``model-best.pth.tar`` for each.
    """
    for name in reversed(engine.get_model_names()):
        state: dict[str, Any] = {
            "state_dict": engine._models[name].state_dict(),
            "epoch": epoch + 1,
            # A NumPy scalar, as torchreid saves it, cannot be loaded with weights_only.
            "rank1": float(rank1),
        }
        for part, objects in (("optimizer", engine._optims), ("scheduler", engine._scheds)):
            if objects[name] is not None:
                state[part] = objects[name].state_dict()
        if name == "model":
            state["ddan"] = _metadata(engine)
        path = Path(save_dir) / name / f"model.pth.tar-{epoch + 1}"
        write(state, path)
        if is_best:
            shutil.copy(path, path.with_name("model-best.pth.tar"))
    print(f'Checkpoint saved to "{path}"')


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Loads the weights of a checkpoint into a model, all but an identity head of another size.

    Args:
        model: wrapped in ``DataParallel`` or not.
        path: a checkpoint with or without ``module.`` prefixes.

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
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    bare.load_state_dict(fitting, strict=False)
    skipped = sorted(set(state) - set(fitting))
    print(
        f'Loaded {len(fitting)} of {len(own)} tensors from "{path}"'
        + (f", without {', '.join(skipped)}" if skipped else "")
    )


def resume(engine: ImageDDANEngine, path: str | Path) -> int:
    """Continues from a checkpoint: models, optimisers and schedulers of the whole engine.

    Args:
        engine: an engine built as it was when the checkpoint was written.
        path: the model's checkpoint, ``<save_dir>/model/model.pth.tar-N``.

    Returns:
        The epoch to start from.

    Raises:
        ValueError: other sources, other identities or another central domain than when the
            checkpoint was written.
        FileNotFoundError: the checkpoint, or the discriminator's or ID pool's beside it, is
            missing.
    """
    path = Path(path)
    state = read(path, engine.device)
    written, now = state.get("ddan", {}), _metadata(engine)
    if engine.objective.central is None and written.get("central_domain"):
        engine.objective.set_central_domain(written["central_domain"])
        now = _metadata(engine)
    same = ("model", "sources", "identities", "labels", "central_domain")
    different = [key for key in same if key in written and written[key] != now[key]]
    if different:
        raise ValueError(
            f"{path} was written with another model or other data: "
            + "; ".join(f"{key} was {written[key]}, now {now[key]}" for key in different)
        )
    folder = path.parent.parent
    # Everything is read before anything is loaded, so a missing file leaves the engine whole.
    states = {"model": state}
    for name in engine.get_model_names():
        if name != "model":
            states[name] = read(folder / name / path.name, engine.device)
    for name, each in states.items():
        _bare(engine._models[name]).load_state_dict(unprefixed(each))
        for part, objects in (("optimizer", engine._optims), ("scheduler", engine._scheds)):
            if objects[name] is not None and part in each:
                objects[name].load_state_dict(each[part])
    print(f'Resumed from "{path}", epoch {state["epoch"]}')
    return int(state["epoch"])


def _metadata(engine: ImageDDANEngine) -> dict[str, Any]:
    bare = _bare(engine.model)
    train = engine.train_loader.dataset.train
    index = engine.objective.central
    central = None if index is None else engine.sources[index]
    return {
        "model": bare.name,
        "height": engine.datamanager.height,
        "width": engine.datamanager.width,
        "sources": list(engine.sources),
        "identities": engine.datamanager.num_train_pids,
        "labels": label_digest(train),
        "central_domain": central,
    }


def _bare(model: nn.Module) -> Any:
    return model.module if isinstance(model, nn.DataParallel) else model
