"""Progress bars: of a training run with images per second and the time left, and of tests."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO

from tqdm import tqdm


class TrainingBar:
    """A bar on the terminal, from the first image of a run to the last one.

    What is printed meanwhile stands above it, and in files as it would without it. Where the
    standard error is no terminal, there is no bar. Time that passes between the epochs, in tests,
    counts neither for the speed nor for the time left.

    Args:
        epochs: of the whole run.
        batches: of an epoch.
        images: of a batch, of all processes together.
        epoch: with which the run begins or goes on, 0-based.
        batch: of that epoch, where it goes on.
        shown: False for none.
    """

    def __init__(
        self, epochs: int, batches: int, images: int, epoch: int, batch: int = 0, shown: bool = True
    ) -> None:
        self._epochs, self._batches, self._images = epochs, batches, images
        self._bar = tqdm(
            total=epochs * batches * images,
            initial=(epoch * batches + batch) * images,
            unit=" images",
            unit_scale=True,
            mininterval=0.5,
            dynamic_ncols=True,
            disable=None if shown else True,  # None: where there is no terminal
        )
        self._output: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if not self._bar.disable:
            self._output = contextlib.redirect_stdout(_Above(self._bar, sys.stdout))

    def begin_epoch(self, epoch: int) -> None:
        """Names the epoch, 0-based, and starts the clock again."""
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}", refresh=False)
        self._bar.unpause()

    def reached(self, epoch: int, batch: int) -> None:
        """Moves on: so many epochs and so many batches of the next one are done."""
        self._bar.update((epoch * self._batches + batch) * self._images - self._bar.n)

    def __enter__(self) -> TrainingBar:
        self._output.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._output.__exit__(*error)
        self._bar.close()


def with_test_bar(loader: Any, shown: bool) -> Any:
    """The batches of a test loader, with a bar on a terminal that is gone when it ends."""
    off = None if shown else True  # None: where there is no terminal
    return tqdm(loader, "testing", unit=" batches", leave=False, dynamic_ncols=True, disable=off)


class _Above:
    """Takes the bar away while a line is written."""

    def __init__(self, bar: tqdm, file: TextIO) -> None:
        self._bar = bar
        self._file = file
        self._in_line = False

    def write(self, text: str) -> int:
        if not self._in_line:
            self._bar.clear()
        self._file.write(text)
        self._in_line = not text.endswith("\n")
        if not self._in_line:
            self._file.flush()  # before the bar is drawn below it
            self._bar.refresh()
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
