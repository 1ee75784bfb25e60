"""Where the checkpoints of a run lie, which one is the newest, and which ones stay.

A checkpoint is a *set* of files of one name, one in the folder of each registered model
(``<save_dir>/model``, ``<save_dir>/discriminator`` and ``<save_dir>/identity_pool``). The name is
torchreid's ``model.pth.tar-N`` after N epochs, and ``model.pth.tar-N+B`` when B batches of the next
one are done too. The model's file is written last and deleted first, so a set without it does not
count. The files of a set name the run that wrote them, so that what another run left in the folder
is never mixed in.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..system.files import replacing
from ..system.folder_lock import holds
from ..system.state_files import read

AUTO = "auto"
BEST = "model-best.pth.tar"
_NAME = re.compile(r"model\.pth\.tar-(\d+)(?:\+(\d+))?")


@dataclass(frozen=True, order=True)
class Position:
    """How far a run has come: ``epoch`` epochs, and ``batch`` batches of the next one."""

    epoch: int
    batch: int = 0

    @property
    def file_name(self) -> str:
        """Name of the files that hold the state at this position."""
        return f"model.pth.tar-{self.epoch}" + (f"+{self.batch}" if self.batch else "")

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.batch} batches" if self.batch else "")


@dataclass(frozen=True)
class ResumePoint:
    """Where a checkpoint continues.

    Attributes:
        untested: the test that follows its last epoch was not finished.
        random: state of this process's generators, from `random_state.capture`; None if the run
            did not have this process.
    """

    position: Position
    untested: bool = False
    random: dict[str, Any] | None = None

    @property
    def first_epoch(self) -> int:
        """Epoch (0-based) that torchreid's loop begins with; one that is only tested counts."""
        return self.position.epoch - self.untested


def find(path: str, save_dir: str | Path) -> str:
    """The model's file that a configuration means by ``model.resume``.

    Empty if ``'auto'`` finds nothing, as before a run's first checkpoint.

    Args:
        path: a file; a folder, for the newest complete checkpoint in it; or ``'auto'``, for the
            newest one in ``save_dir``.

    Raises:
        FileNotFoundError: there is no complete checkpoint in the folder.
        OSError: a file cannot be read, so which is the newest complete one is unknown.
    """
    if path != AUTO and not Path(path).is_dir():
        return path
    folder = Path(save_dir if path == AUTO else path)
    found = newest(folder)
    if found is None and path != AUTO:
        raise FileNotFoundError(f"there is no complete checkpoint in the folder {path!r}")
    if found is None:
        print(f'No checkpoint in "{folder}" yet; training starts with the first epoch')
    return str(found or "")


def newest(save_dir: str | Path) -> Path | None:
    """The model's file of the newest complete checkpoint in a folder; None if there is none.

    Newest is the farthest position of the run that was started last.

    Raises:
        OSError: a file, which may be whole, cannot be read now.
    """
    found = max(((run, at, path) for run, at, path, _ in _complete(Path(save_dir))), default=None)
    return found and found[2]


def read_set(
    path: Path, names: Iterable[str] = (), mmap: bool = False
) -> dict[str, dict[str, Any]]:
    """Reads the files of a checkpoint onto the CPU: state by name of the model.

    Args:
        path: the model's file.
        names: of the models to read; by default those that the checkpoint was written with.

    Raises:
        FileNotFoundError: a file is missing.
        OSError: a file cannot be read now.
        ValueError: a file is damaged, or is not of the same run and position.
    """
    states = {"model": read(path, mmap=mmap)}
    for name in names or states["model"].get("ddan", {}).get("parts", ()):
        if name == "model":
            continue
        other = path.parent.parent / name / path.name
        states[name] = read(other, mmap=mmap)
        for key in ("run", "epoch", "batch"):
            if states[name].get(key) != states["model"].get(key):
                raise ValueError(
                    f"{other} was not written together with {path}; give another checkpoint"
                )
    return states


def written_files(save_dir: str | Path) -> list[Path]:
    """The model's files in a folder, whether their checkpoints are complete or not."""
    try:
        # Not glob, to which a folder that cannot be listed is an empty one.
        paths = list((Path(save_dir) / "model").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in paths if path.name.startswith("model.pth.tar-")]


class Keeper:
    """The checkpoints of one run in its output folder: which are there, and which stay.

    Attributes:
        run: names the run, the nanosecond in which it was started.
        best: highest mean mAP of a checkpoint so far.
        last_time: when the last one was written, on the clock of ``time.monotonic``.

    Args:
        save_dir: output folder. Unfinished files of a process that was killed are deleted where
            this process holds the folder, as only then no living one writes them.
        run: of the run that goes on, or of a new one.
        position: where it goes on. If the folder has later positions of the same run, this is
            another run from here, whose checkpoints are newer than those.
        keep: number of the last epochs whose checkpoints stay; 0 for all. Checkpoints with scores
            always stay. Those within an epoch go as soon as there is a later one.
    """

    def __init__(self, save_dir: str | Path, run: int, position: Position, keep: int) -> None:
        self.folder = Path(save_dir)
        self.run = run
        self.keep = keep
        self.best = -1.0
        self.last_time = time.monotonic()
        if holds(self.folder):
            for leftover in self.folder.glob("*/.model*.pth.*.tar*"):
                leftover.unlink(missing_ok=True)
        # Whether the checkpoint has scores, by position.
        self._scored = {
            at: "mean_ap" in state["ddan"]
            for found, at, _, state in _complete(self.folder)
            if found == run
        }
        if any(at > position for at in self._scored):
            self.run, self._scored = time.time_ns(), {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            best = read(self.folder / "model" / BEST, mmap=True)
            if best.get("run") == self.run:
                self.best = best["ddan"].get("mean_ap", -1.0)

    def __contains__(self, position: Position) -> bool:
        return position in self._scored

    def paths(self, names: Iterable[str], position: Position) -> dict[str, Path]:
        """Files of a set, by name of the model, in the order in which to write them."""
        order = sorted(names, key=lambda name: name == "model")
        return {name: self.folder / name / position.file_name for name in order}

    def written(self, position: Position, names: Iterable[str], mean_ap: float | None) -> None:
        """Notes a set that is whole now, with its score if it has one, and deletes others."""
        self.last_time = time.monotonic()
        self._scored[position] = mean_ap is not None
        if mean_ap is not None and mean_ap > self.best:
            self.best = mean_ap
            self.mark_best(position, names)
        recent = sorted(at for at in self._scored if not at.batch)[-self.keep :]
        for at, scored in list(self._scored.items()):
            superseded = at < position if at.batch else not (scored or at in recent)
            if superseded:
                del self._scored[at]
                for path in reversed(self.paths(names, at).values()):
                    path.unlink(missing_ok=True)

    def mark_best(self, position: Position, names: Iterable[str]) -> None:
        """Copies a set to ``model-best.pth.tar``."""
        for path in self.paths(names, position).values():
            with replacing(path.with_name(BEST)) as temporary:
                shutil.copyfile(path, temporary)


def _complete(folder: Path) -> Iterator[tuple[int, Position, Path, dict[str, Any]]]:
    """Run, position, model's file and state of the complete checkpoints in a folder."""
    for path in written_files(folder):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            state = read_set(path, mmap=True)["model"]
        except (FileNotFoundError, ValueError) as error:
            print(f"Passed over: {error}")
            continue
        # torchreid's own files name no run.
        position = Position(*(int(number or 0) for number in match.groups()))
        yield state.get("run", 0), position, path, state
