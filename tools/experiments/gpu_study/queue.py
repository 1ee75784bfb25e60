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
from .runs import BASELINE, Job, Options

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
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._changed = threading.Condition()
        self._known = {records.identity(each): each for each in records.read(options.results)}
        self._distances: dict[str, Any] | None = None
        self.pending = options.jobs()
        self.running: list[Run] = []
        self.recorded = self.failed = 0
        self.steps = _context.Array("q", options.workers)
        for job in options.jobs():
            if job.key == BASELINE and (record := self._record_of(options.run(job))):
                self._distances = record["distances"]

    def _record_of(self, run: Run) -> records.Record | None:
        return self._known.get((self._options.study, run.row.key, run.seed, run.digest))

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
        """What to train now; waits while only the baseline can tell; None if nothing is left."""
        with self._changed:
            while True:
                ready = [job for job in self.pending if self._distances or not job.needs_centre or self._options.study != "photographs"]
                for job in ready:
                    self.pending.remove(job)
                    run = self._options.run(job, self._distances)
                    if self._record_of(run) is None:
                        self.running.append(run)
                        return job, run
                    self.recorded += 1
                if not self.running or not self.pending:
                    return None
                self._changed.wait()

    def conclude(self, run: Run) -> None:
        """Writes a line for a run that has left its outcome."""
        with self._changed:
            self.running.remove(run)
            if run.outcome() is None:
                self.failed += 1
            else:
                record = record_of(self._options.study, run, self._needed(run))
                if commit := os.environ.get("STUDY_COMMIT"):  # the queue runs outside a checkout
                    record["git"] = {"commit": commit, "dirty": False}
                records.append(self._options.results, record)
                self.recorded += 1
                if (run.row.key, run.seed) == BASELINE:
                    self._distances = record.get("distances")
            self._changed.notify_all()

    def _needed(self, run: Run) -> Run | None:
        for job in self._options.jobs():
            if job.key == (run.row.needs, run.seed):
                needed = self._options.run(job, self._distances)
                return needed if needed.outcome() is not None else None
        return None


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
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    options = Options(**vars(parser.parse_args()))
    options.results.mkdir(parents=True, exist_ok=True)
    if not (options.work / "unpacked").exists():
        unpack(options.work / "pack.zip", options.work / "data", options.renderers)
        (options.work / "unpacked").touch()
    options.register()
    needed = {job.stream: job for job in reversed(options.jobs())}
    steps = [
        streams.prepare(options.run(job).config, options.stream(job), options.steps)
        for job in needed.values()
    ]
    queue = Queue(options)
    threads = [
        threading.Thread(target=queue.serve, args=(slot,), daemon=True)
        for slot in range(options.workers)
    ]
    with _context.Pool(options.renderers, _begin_rendering, (options,)) as pool:
        # Epoch by epoch, for all streams are wanted at once.
        rendering = [
            pool.apply_async(
                streams.render,
                (options.run(job).config, options.stream(job), epoch, part),
                error_callback=lambda error: print(f"rendering: {error!r}", flush=True),
            )
            for epoch in range(options.epochs)
            for job in needed.values()
            for part in range(streams.PARTS)
        ]
        pool.close()  # its processes end when there is nothing left to write
        for thread in threads:
            thread.start()
        _watch(queue, threads, rendering, max(steps) * options.epochs)


def _watch(queue: Queue, threads: list[threading.Thread], rendering: list, each: int) -> None:
    """Prints how far things are until all is done, or nothing moves any more."""
    before, then, moved = (0, 0, 0), time.monotonic(), time.monotonic()
    while True:
        for thread in threads:
            thread.join(EVERY / len(threads))
        now = time.monotonic()
        under_way = sum(queue.steps)
        state = queue.recorded * each + under_way, sum(r.ready() for r in rendering), queue.failed
        rate = max(0, state[0] - before[0]) / max(now - then, 1e-3)
        left = (len(queue.pending) + len(queue.running)) * each - under_way
        print(
            f"{time.strftime('%H:%M:%S')} {queue.recorded} recorded, {len(queue.running)} running, "
            f"{len(queue.pending)} waiting, {queue.failed} failed; rendered {state[1]} of "
            f"{len(rendering)}; {rate:.1f} steps/s{f', {left / rate:.0f} s left' if rate else ''}",
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
