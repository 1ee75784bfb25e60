"""Carries out the study: lays out the data, writes the batches, and keeps the workers busy.

    python -m experiments.gpu_study.queue WORK [options]

Kill it at any moment and start it again: what has been recorded is not repeated.
"""

from __future__ import annotations

import argparse
import functools
import gc
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import torch

from ddan_torchreid.data import reading

from .. import records
from ..plan import Run
from ..run import record_of, train
from . import streams
from .pack import unpack
from .runs import Job, Key, Options

ATTEMPTS = 2
EVERY = 10.0
"""Seconds from one line on the state of things to the next."""
PATIENCE = float(os.environ.get("STUDY_PATIENCE", "300"))
"""Seconds without a step, a record or a rendered piece after which it is no use to wait."""

_context = multiprocessing.get_context("spawn")
_count: Callable[[int], None]  # of the steps of a worker's run, in its process


class Queue:
    """Hands out runs to workers, a process each, and writes down what they have found.

    Args:
        options: of the study.
        render: has the batches of a job written, unless they are.
    """

    def __init__(self, options: Options, render: Callable[[Job], None]) -> None:
        self._options = options
        self._render = render
        self._changed = threading.Condition()
        self._records = {records.identity(each): each for each in records.read(options.results)}
        self._known: dict[Key, records.Record] = {}
        self._taken: dict[Key, Run] = {}
        self.running: list[Run] = []
        self.recorded = self.failed = 0
        self.steps = _context.Array("q", options.workers)

    def serve(self, slot: int) -> None:
        """Has one worker train runs until none is left."""
        pool = None
        while (work := self.next()) is not None:
            job, run = work
            for attempt in range(1, ATTEMPTS + 1):
                pool = pool or ProcessPoolExecutor(1, _context, _begin, (self.steps, slot))
                try:
                    pool.submit(_train, run, self._options.stream(job)).result()
                    break
                except Exception:
                    print(f"{run.row.key}/{run.seed}, attempt {attempt}:", flush=True)
                    traceback.print_exc()
                    pool.shutdown(wait=False)  # an error of a GPU stays with its process
                    pool = None
            self.conclude(run)
            self.steps[slot] = 0
        if pool is not None:
            pool.shutdown()

    def next(self) -> tuple[Job, Run] | None:
        """What to train now; waits while only what is running can tell; None if nothing is left."""
        with self._changed:
            while True:
                for job in self.pending():
                    run = self._taken[job.key] = self._options.run(job)
                    identity = (self._options.study, run.row.key, run.seed, run.digest)
                    if identity not in self._records:
                        self.running.append(run)
                        self._render(job)
                        return job, run
                    self.recorded += 1
                    self._known[job.key] = self._records[identity]
                    break  # with it, more may be known
                else:
                    if not self.running:
                        return None
                    self._changed.wait()

    def pending(self) -> list[Job]:
        """What can be trained by now and nobody has begun."""
        return [job for job in self._options.jobs(self._known) if job.key not in self._taken]

    def conclude(self, run: Run) -> None:
        """Writes a line for a run that has left its outcome."""
        with self._changed:
            self.running.remove(run)
            if run.outcome() is None:
                self.failed += 1
            else:
                needed = self._taken.get((run.row.needs, run.seed))
                done = needed if needed and needed.outcome() is not None else None
                record = record_of(self._options.study, run, done)
                if commit := os.environ.get("STUDY_COMMIT"):  # the queue runs outside a checkout
                    record["git"] = {"commit": commit, "dirty": False}
                records.append(self._options.results, record)
                self._known[run.row.key, run.seed] = record
                self.recorded += 1
            self._changed.notify_all()


class Renderers:
    """Processes that write the batches of a job's stream when it is first asked for.

    Args:
        options: of the study.
        pool: of processes.
    """

    def __init__(self, options: Options, pool: Any) -> None:
        self._options, self._pool = options, pool
        self._asked: set[str] = set()
        self.pieces: list[Any] = []

    def __call__(self, job: Job) -> None:
        """Has all pieces of a stream written, the first epoch first."""
        if job.stream in self._asked:
            return
        self._asked.add(job.stream)
        config, folder = self._options.run(job).config, self._options.stream(job)
        self.pieces += [
            self._pool.apply_async(
                streams.render,
                (config, folder, epoch, part, self._options.steps),
                error_callback=lambda error: print(f"rendering: {error!r}", flush=True),
            )
            for epoch in range(self._options.epochs)
            for part in range(streams.PARTS)
        ]


def _begin(steps: Any, slot: int) -> None:
    global _count
    _count = functools.partial(steps.__setitem__, slot)


def _train(run: Run, stream: Path) -> None:
    train(run, lambda engine: streams.replay(engine, stream, _count))
    gc.collect()  # for the next run in this process
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _begin_rendering(options: Options) -> None:
    cv2.setNumThreads(0)  # there is a process for each processor
    # A process meets an image three or four times, and to read it takes as long as to augment it.
    reading.read_pixels = functools.cache(reading.read_pixels)
    options.register()


def main() -> None:
    """Runs the study to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="has pack.zip")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10**6)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--renderers", type=int, default=os.cpu_count())
    parser.add_argument("--set", dest="pairs", nargs="+", default=[], metavar="KEY VALUE")
    parser.add_argument("--study", default="photographs")
    options = Options(**vars(parser.parse_args()))
    options.results.mkdir(parents=True, exist_ok=True)
    if not (options.work / "unpacked").exists():
        unpack(options.work / "pack.zip", options.work / "data", options.renderers)
        (options.work / "unpacked").touch()
    options.register()
    with _context.Pool(options.renderers, _begin_rendering, (options,)) as pool:
        render = Renderers(options, pool)
        queue = Queue(options, render)
        threads = [
            threading.Thread(target=queue.serve, args=(slot,), daemon=True)
            for slot in range(options.workers)
        ]
        for thread in threads:
            thread.start()
        _watch(queue, threads, render.pieces)


def _watch(queue: Queue, threads: list[threading.Thread], rendering: list) -> None:
    """Prints how far things are until all is done, or nothing moves any more."""
    before, then, moved = (0, 0, 0), time.monotonic(), time.monotonic()
    while True:
        for thread in threads:
            thread.join(EVERY / len(threads))
        now = time.monotonic()
        under_way = sum(queue.steps)
        done = sum(piece.ready() for piece in list(rendering))
        state = under_way, done, queue.recorded + queue.failed
        rate = max(0, under_way - before[0]) / max(now - then, 1e-3)
        print(
            f"{time.strftime('%H:%M:%S')} {queue.recorded} recorded, {len(queue.running)} running, "
            f"{len(queue.pending())} waiting, {queue.failed} failed; rendered {done} of "
            f"{len(rendering)}; {rate:.1f} steps/s",
            flush=True,
        )
        if not any(thread.is_alive() for thread in threads):
            print("ended", flush=True)
            return
        moved = now if state != before else moved
        if now - moved > PATIENCE:
            print(f"nothing has moved for {PATIENCE:.0f} seconds", flush=True)
            os._exit(1)
        before, then = state, now


if __name__ == "__main__":
    main()
