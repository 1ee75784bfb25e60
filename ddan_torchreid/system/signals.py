"""Stopping a run between two steps when a signal asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from .. import distributed

# A scheduler that ends a job sends SIGTERM, and what it asked for was done; Ctrl-C sends SIGINT.
EXIT_STATUS = {signal.SIGTERM: 0, signal.SIGINT: 130}


class StopSignals:
    """Notes SIGTERM and SIGINT for as long as a ``with`` block runs, instead of ending at once.

    The handlers are installed in the main thread only, where Python can have any, and not for a
    signal that the process was started to ignore. A SIGINT after a first signal raises
    ``KeyboardInterrupt`` at once.

    Attributes:
        received: the signal that asked to stop; None until then.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in EXIT_STATUS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            # None: a handler that was not installed from Python cannot be restored from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.received = signal.Signals(number)
        if not distributed.is_first():
            return
        # Not print: the signal may have come in the middle of one.
        os.write(2, f"\n{self.received.name}: finishing this step, to save\n".encode())

    def asked(self) -> signal.Signals | None:
        """The signal that came to any process of the run; all of them take it for theirs."""
        if received := distributed.largest(self.received or 0):
            self.received = signal.Signals(received)
        return self.received


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Lets SIGINT and SIGTERM wait until the block ends; processes that it starts wait as well.

    Those of :class:`WorkerSignals` hear signals again when they have their handlers.
    """
    former = _mask(signal.SIG_BLOCK, EXIT_STATUS)
    try:
        yield
    finally:
        _mask(signal.SIG_SETMASK, former)


def _mask(how: int, signals: Iterable[int]) -> Iterable[int]:
    # Windows has no masks, and there no process group is signalled either.
    return signal.pthread_sigmask(how, signals) if hasattr(signal, "pthread_sigmask") else ()


class WorkerSignals:
    """A ``worker_init_fn`` that leaves the first signal of a process group to the main process.

    Ctrl-C in a terminal and many schedulers signal every process of a run. A loading worker that
    ended by it would end the training step that waits for its images. A second SIGTERM, such as
    the main process sends to a worker that does not finish, ends it.

    Args:
        following: a ``worker_init_fn`` to call afterwards, or None.
    """

    def __init__(self, following: Any = None) -> None:
        self.following = following

    def __call__(self, worker: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        _mask(signal.SIG_UNBLOCK, EXIT_STATUS)
        if self.following is not None:
            self.following(worker)
