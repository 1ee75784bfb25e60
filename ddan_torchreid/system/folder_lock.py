"""One run at a time in an output folder: the folder is locked for as long as the run lives."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .. import distributed
from .files import is_text

LOCK, HOLDER = ".run.lock", ".run.holder"
# Loading workers see that their main process was killed after five seconds. Where the lock is
# inherited by them, it is theirs for so long.
WORKERS_END = 20
_UNUSABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOENT, errno.ENOTDIR
)  # fmt: skip
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
# Folders that this process holds; a forked child holds none of its parent's.
_held: set[tuple[int, str]] = set()


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Holds an output folder while a block runs, so that no other run writes into it.

    The processes of one ``torchrun`` hold it together. A block inside another one for the same
    folder changes nothing. The lock is the system's: however a process ends, it lets go. A folder
    that was made for the lock goes when nothing else has come into it.

    Raises:
        ValueError: another run holds the folder, or no run can write into it; the same in every
            process.
    """
    place, refusal = Path(os.path.realpath(folder)), ""
    if not is_text(place):
        raise ValueError(
            f"data.save_dir {folder} is no valid text, which TensorBoard wants; write another one"
        )
    with contextlib.ExitStack() as stack:
        if distributed.is_first() and not holds(place):
            try:
                stack.enter_context(_hold(place, folder))
            except ValueError as error:
                refusal = str(error)
        if refusal := distributed.share(refusal):
            raise ValueError(refusal)
        yield


def holds(folder: str | Path) -> bool:
    """Whether this process holds a folder: of several processes of a run, the first one does."""
    return (os.getpid(), os.path.realpath(folder)) in _held


def make_folder(folder: Path, named: str = "data.save_dir") -> None:
    """Makes an output folder, which a key or flag has named, with all above it.

    Raises:
        ValueError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise
        raise ValueError(
            f"{named} {folder} cannot be made: {error.strerror}; write another one"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{named} {folder} cannot be written to; write another one")


@contextlib.contextmanager
def _hold(place: Path, folder: str | Path) -> Iterator[None]:
    made = [each for each in (place, *place.parents) if not each.exists()]
    entry, holder = (os.getpid(), str(place)), place / HOLDER
    lock = _acquired(place, folder)
    try:
        _held.add(entry)
        holder.write_text(f"{os.getpid()} {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        if entry[0] == os.getpid():  # not in a forked child, whose parent goes on
            _held.discard(entry)
            for file in (holder, place / LOCK):
                file.unlink(missing_ok=True)
            if lock:
                lock.release()
            with contextlib.suppress(OSError):  # it is not empty
                for each in made:
                    each.rmdir()


def _acquired(place: Path, folder: str | Path) -> FileLock | None:
    while True:
        make_folder(place)
        lock = FileLock(place / LOCK)
        try:
            lock.acquire(timeout=0 if _lives(*_holder(place)) else WORKERS_END)
        except Timeout:
            pid, host = _holder(place)
            where = f" on {host}" if host and host != socket.gethostname() else ""
            who = f"process {pid}{where}" if pid else "which has just begun"
            raise ValueError(
                f"{folder} is in use by another run, {who}; wait until it ends, stop it, or write "
                "another data.save_dir"
            ) from None
        except FileNotFoundError:  # its former holder has deleted the folder in between
            continue
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            print(f"{folder} cannot be locked ({error}): start no other run in it", file=sys.stderr)
            return None
        if (place / LOCK).exists():  # and has not been deleted in between either
            return lock
        lock.release()


def _holder(place: Path) -> tuple[int, str]:
    """Process and machine that wrote themselves down as the holder; 0 where none has yet."""
    try:
        pid, _, host = (place / HOLDER).read_text(encoding="utf-8").partition(" ")
        return int(pid), host
    except (OSError, ValueError):
        return 0, ""


def _lives(pid: int, host: str) -> bool:
    try:
        if pid and host == socket.gethostname():
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user's process
        pass
    return True
