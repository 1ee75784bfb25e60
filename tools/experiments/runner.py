"""Trains what is missing, a few runs at a time, and writes a line for each that has finished.

Kill it at any moment and start it again: finished runs are not repeated, and those that were
under way go on from their newest checkpoints.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from . import plan, records
from .plan import Options, Run
from .run import record_of, score_again, train

LOCK = ".experiment.lock"


def carry_out(options: Options) -> None:
    """Trains what has not been trained and writes ``results.jsonl``.

    Raises:
        ValueError, FileNotFoundError: see :func:`.plan.make`.
        BlockingIOError: another experiment is writing to the same folder.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(options.output / LOCK, timeout=0):
            _Study(options).carry_out()
    except Timeout:
        raise BlockingIOError(
            f"another experiment is running in {options.output}; wait for it, or name another "
            "--output"
        ) from None


class _Study:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.runs = plan.make(options)
        known = {records.identity(each): each for each in records.read(options.output)}
        self.earlier = known if options.rescore else {}
        self.waiting = [
            run for run in self.runs if options.rescore or self._identity(run) not in known
        ]
        self.pending: dict[Path, Run] = {}
        for run in self.waiting:
            for each in filter(None, (run, self._needed(run))):
                if options.rescore or each.outcome() is None:
                    self.pending[each.folder] = each

    def carry_out(self) -> None:
        todo = list(self.pending.values())
        done = len(self.runs) - len(self.waiting)
        print(f"{len(self.runs)} runs, {done} of them finished before; {len(todo)} to do")
        self._write_finished()
        bar = tqdm(_each(todo, self.options.jobs), "runs", len(todo), disable=None)
        for run in bar:
            del self.pending[run.folder]
            bar.write(f"{run.row.key}, seed {run.seed}: {_summary(run)}")
            self._write_finished()

    def _write_finished(self) -> None:
        """Writes a line for each run that has all it needs."""
        for run in list(self.waiting):
            needed = self._needed(run)
            if run.folder in self.pending or (needed and needed.folder in self.pending):
                continue
            records.append(self.options.output, self._record(run))
            self.waiting.remove(run)

    def _needed(self, run: Run) -> Run | None:
        return next(
            (e for e in self.runs if (e.row.key, e.seed) == (run.row.needs, run.seed)), None
        )

    def _identity(self, run: Run) -> tuple[str, str, int, str]:
        return self.options.experiment, run.row.key, run.seed, run.digest

    def _record(self, run: Run) -> records.Record:
        record = record_of(self.options.experiment, run, self._needed(run))
        if earlier := self.earlier.get(self._identity(run)):
            now = {key: record[key] for key in records.made_by()}
            record |= {key: earlier[key] for key in now} | {"rescored": now}
        return record


def _summary(run: Run) -> str:
    outcome = run.outcome() or {}
    if "failed" in outcome:
        return f"failed: {outcome['failed']}"
    scores = outcome["scores"].values()
    means = (f"{k} {100 * np.mean([each[k] for each in scores]):.1f}" for k in ("rank-1", "mAP"))
    return f"{', '.join(means)} ({outcome['seconds'] / 60:.1f} min)"


def _each(runs: list[Run], at_once: int) -> Iterator[Run]:
    """Trains runs, or scores finished ones again, and yields each when it has finished."""
    threads = max(1, (os.cpu_count() or 1) // at_once)
    if at_once == 1:
        for run in runs:
            yield _one(run)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, context, _start_worker, (threads,)) as pool:
        futures = [pool.submit(_one, run) for run in runs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()  # those that train save what they have
            raise


def _one(run: Run) -> Run:
    (train if run.outcome() is None else score_again)(run)
    return run


def _start_worker(threads: int) -> None:
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)

    def end_with_parent() -> None:
        # A killed parent cannot end its children, and they would go on for hours.
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
