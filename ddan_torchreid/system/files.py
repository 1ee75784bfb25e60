"""Output files that appear under their name when they are complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its name when the block ends without an error.

    The temporary file is made at once, so a folder that cannot be written to shows before the
    work, and has the suffix of ``path``. Folders on the way are made, and ``~`` is the home folder.

    Raises:
        ValueError: ``path`` is a folder.
        OSError: the file cannot be written.
    """
    path = Path(expanded(path))
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        temporary.touch()
        yield temporary
        with temporary.open("rb+") as file:
            # Without this the name can reach the disk before the content does.
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def unshared(path: Path) -> Path:
    """Makes an empty file that was not there: ``path``, or with ``-2``, ``-3``, ... behind it."""
    for number in itertools.count(1):
        numbered = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            numbered.touch(exist_ok=False)
            return numbered
    raise AssertionError("the numbers do not end")


def expanded(path: str | os.PathLike[str]) -> str:
    """A path whose ``~`` or ``~user`` at the start is the home folder, as a shell has it.

    Where there is no such user it stays as it is.
    """
    return os.path.expanduser(os.fspath(path))


def is_text(path: str | os.PathLike[str]) -> bool:
    """Whether a path is valid text: names on a disk are bytes, and need not be."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Makes a new name in a folder survive a power failure, where the system can."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot; the file itself is whole all the same.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
