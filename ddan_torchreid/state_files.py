"""Reading, writing and comparing state dicts: whole files only, and nothing that would run code."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .atomic import replacing

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
# torch's words for a machine that has no file handle or memory left, in a RuntimeError.
_NOT_THE_FILE = ("unable to open file", "unable to mmap", "can't allocate memory")


def write(state: dict[str, Any], path: Path) -> None:
    """Saves a file whole, so that a crash or a full disk leaves the former one or none.

    Raises:
        OSError: the file cannot be written; one line with the path and the reason.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as opened:
            file: Any = _RememberingFile(opened)
            try:
                torch.save(state, file)
            except RuntimeError:
                # torch hides the reason behind an error of its own.
                if file.error is None:
                    raise
                raise file.error from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"{path} cannot be written: {reason}; the files before it are whole"
        ) from None


def read(
    path: str | Path, device: torch.device | str = "cpu", mmap: bool = False
) -> dict[str, Any]:
    """Reads a checkpoint of ours or of torchreid's.

    Args:
        path: the file.
        device: where its tensors are put.
        mmap: leave tensors on the disk until they are used.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file may be whole, but cannot be read now; one line with the reason.
        ValueError: the file is no checkpoint, or holds objects that only running code could load.
    """
    # torchreid stores rank-1 as a NumPy scalar; these types hold numbers and cannot run code.
    harmless = [np.dtype, np.float32, np.float64, np.dtypes.Float32DType, np.dtypes.Float64DType]
    scalar: Any = np.float64(0).__reduce__()[0]
    # NumPy 1 and 2 write the same function under different names.
    scalars = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    try:
        with torch.serialization.safe_globals([*harmless, *scalars]):
            state = torch.load(str(path), map_location=device, weights_only=True, mmap=mmap)
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"there is no checkpoint {str(path)!r}") from None
    except OSError as error:
        # Says nothing of the content: who took it for damage would lose what has been trained.
        raise OSError(
            error.errno, f"{path} cannot be read: {error.strerror or error}; it may be whole"
        ) from None
    except MemoryError:
        raise
    # torch.load raises many kinds, whose texts recommend to run the file's code.
    except Exception as error:
        text = str(error)
        if isinstance(error, RuntimeError) and any(words in text for words in _NOT_THE_FILE):
            number = re.search(r"\((\d+)\)$", text)
            raise OSError(
                int(number[1]) if number else errno.ENOMEM,
                f"{path} cannot be read: {text}; it may be whole",
            ) from None
        raise ValueError(
            f"{path} cannot be loaded: it is damaged, is no checkpoint, or holds objects that only "
            "running its code could load, which is never done"
        ) from None
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds no state dict but {type(state).__name__}")
    return state


def unprefixed(state: dict[str, Any]) -> dict[str, Any]:
    """Weights of a checkpoint or a bare state dict, without the prefix of ``DataParallel``."""
    weights = state.get("state_dict", state)
    return {key.removeprefix("module."): value for key, value in weights.items()}


def misfit(module: nn.Module, weights: dict[str, Any]) -> str:
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


def optimizer_changes(written: dict[str, Any], optimizer: torch.optim.Optimizer) -> list[str]:
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


def schedule_changes(written: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of a learning-rate schedule its saved state would replace, in words.

    Args:
        written: its ``state_dict`` in a checkpoint.
        now: that of the schedule that would load it.
    """
    kinds = _schedule_kind(written), _schedule_kind(now)
    if kinds[0] != kinds[1]:
        return [f"train.lr_scheduler was {kinds[0]}, now {kinds[1]}"]
    words = [
        f"{key} was {_plain(written[key])}, now {_plain(now[key])}"
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
    return sorted(value) if isinstance(value, dict) else value


class _RememberingFile:
    """A binary file that remembers why it could not be written to."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()
