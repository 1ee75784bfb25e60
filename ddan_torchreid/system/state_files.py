"""Reading and writing state dicts: whole files only, and nothing that would run code."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .files import expanded, is_text, replacing

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


def read(path: str | Path, mmap: bool = False) -> dict[str, Any]:
    """Reads a checkpoint of ours or of torchreid's, onto the CPU.

    Args:
        path: the file.
        mmap: leave tensors on the disk until they are used, where torch can: it takes no path that
            is not valid text.

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
            state = torch.load(
                expanded(path), map_location="cpu", weights_only=True, mmap=mmap and is_text(path)
            )
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
    if not isinstance(weights := state.get("state_dict", state), dict):
        raise ValueError(f"the state_dict of {path} is no dict but {type(weights).__name__}")
    return state


def unprefixed(state: dict[str, Any]) -> dict[str, Any]:
    """Weights of a checkpoint or a bare state dict, without the prefix of ``DataParallel``."""
    weights = state.get("state_dict", state)
    return {key.removeprefix("module."): value for key, value in weights.items()}


def details(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint of ours says of its model and data; empty for others."""
    found = state.get("ddan")
    return found if isinstance(found, dict) else {}


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
