"""Kills trainings at random moments and lets each go on, until they end as one that was not killed.

Run as ``python -m tests.killed_runs ROOT FOLDER SEED KILLS``; prints how often each kind of moment
was hit. A process of its own, because it forks one process for each run: those are killed with
SIGKILL, so nothing of theirs is cleaned up. A moment is one of

* a step: before its first operation, or between the optimiser's step and the discriminator's;
* an operation on a checkpoint's files: half of a write, or before a sync, a rename, a deletion;
* a time: after so many seconds, wherever the run is.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder, registry
from ddan_torchreid.system import files, state_files
from ddan_torchreid.training import checkpoint_store
from ddan_torchreid.training.checkpoint_store import newest, read_set
from tests import small_data
from tests.whole_runs import differences

EPOCHS = 4
OPTIONS = {
    "data.sources": "['mall', 'film']",
    "data.targets": "['snow']",
    "data.height": "32",
    "data.width": "16",
    "train.batch_size": "16",
    "train.max_epoch": str(EPOCHS),
    "train.print_freq": "100",
    "test.eval_freq": "2",
    "ddan.keep_checkpoints": "2",
    "model.resume": "auto",
}


def train(root: str, save_dir: Path, minutes: float, began: int, kind: str, at: float) -> None:
    """Trains from the newest checkpoint to the end, or until the n-th moment of a kind."""
    settings = schema.get_default_config()
    schema.merge_file(settings, small_data.CONFIG)
    names = ("mall", "film", "snow")
    registry.register_own([f"{name}={root}/{name}" for name in names])
    options = OPTIONS | {"data.save_dir": str(save_dir)}
    options["ddan.checkpoint_every_minutes"] = str(minutes)
    schema.merge_options(settings, [word for pair in options.items() for word in pair])
    engine = builder.build(settings)
    watch(engine, save_dir, kind, at)
    os.write(began, b"x")
    engine.run(**schema.arguments(settings, "run"))


def watch(engine: Any, save_dir: Path, kind: str, at: float) -> None:
    """Notes each finished step in a file, and kills this process at its moment."""
    count = 0

    def moment(which: str) -> bool:
        nonlocal count
        count += which == kind
        return which == kind and count == at

    def before(which: str, original: Callable) -> Callable:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if moment(which):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **keywords)

        return wrapped

    write = state_files._RememberingFile.write

    def half(self: Any, data: Any) -> int:
        if moment("file"):
            data = bytes(data)
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, data)

    state_files._RememberingFile.write = half  # type: ignore[method-assign]
    for owner, name in (
        (files.os, "fsync"),
        (files.Path, "replace"),
        (files.Path, "unlink"),
        (checkpoint_store.shutil, "copyfile"),
    ):
        setattr(owner, name, before("file", getattr(owner, name)))
    engine.optimizer_d.step = before("step", engine.optimizer_d.step)
    step = engine.forward_backward
    log = os.open(save_dir / "steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def noted(data: Any) -> dict[str, float]:
        if moment("step"):
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(log, f"{engine.epoch} {engine.batch_idx}\n".encode())
        return step(data)

    engine.forward_backward = noted


def run(root: str, save_dir: Path, minutes: float, kind: str = "", at: float = 0) -> bool:
    """One process; whether it was killed."""
    save_dir.mkdir(parents=True, exist_ok=True)
    reading, began = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            train(root, save_dir, minutes, began, kind, at)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    os.close(began)
    if kind == "time" and os.read(reading, 1):
        time.sleep(at)
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or os.WEXITSTATUS(status) == 0, "a run failed by itself"
    return killed


def steps(save_dir: Path) -> list[tuple[int, int]]:
    """Epoch and batch of each step that was begun, in order, of all processes."""
    lines = (save_dir / "steps").read_text().splitlines() if (save_dir / "steps").exists() else []
    return [(int(epoch), int(batch)) for epoch, batch in (line.split() for line in lines)]


def outcome(save_dir: Path) -> dict[str, Any]:
    """All that the last checkpoint of a finished run holds of its training."""
    path = newest(save_dir)
    assert path is not None
    assert path.name == f"model.pth.tar-{EPOCHS}"
    states = read_set(path)
    scores = states["model"]["ddan"]["scores"]
    kept = ("state_dict", "optimizer", "scheduler", "random")
    return {"scores": scores} | {
        name: {key: state[key] for key in kept if key in state} for name, state in states.items()
    }


def main(root: str, folder: str, seed: str, kills: str) -> None:
    """Kills as often as asked, in as many trainings as that takes."""
    chance, done, chains = random.Random(int(seed)), Counter[str](), 0
    whole = Path(folder) / "whole"
    began = time.monotonic()
    run(root, whole, minutes=0)
    seconds = time.monotonic() - began
    expected, per_epoch = outcome(whole), len(steps(whole)) // EPOCHS
    while done.total() < int(kills):
        chains += 1
        parts = Path(folder) / f"parts-{chains}"
        # Every other training also saves after each step.
        minutes = 1e-9 if chains % 2 == 0 else 0
        while True:
            kind = ("step", "file", "time")[done.total() % 3]
            if kind == "time":
                at: float = chance.uniform(0, seconds / 2)
            else:
                # From the first moment to well into the second epoch.
                at = chance.randint(1, {"step": 3 * per_epoch, "file": 1000}[kind])
            last = done.total() >= int(kills)
            before = steps(parts)
            killed = run(root, parts, minutes, "" if last else kind, at)
            after = steps(parts)[len(before) :]
            if before and after:
                # At most the epoch in progress is lost; with a save after each step, that step.
                assert after[0] >= (before[-1] if minutes else (before[-1][0], 0)), (before, after)
            if not killed:
                break
            done[kind] += 1
            print(kind, at, newest(parts), flush=True)
        assert not differences(outcome(parts), expected)
        leftovers = list(parts.glob("*/.*"))
        assert leftovers == [], leftovers
    print(f"{dict(done)} in {chains} trainings")


if __name__ == "__main__":
    main(*sys.argv[1:])
