"""Carries out the study: lays out the data, writes the batches, and keeps the workers busy.

    python -m experiments.gpu_study.queue WORK PACK [options]

Kill it at any moment and start it again: what has been recorded is not repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import cv2

from ddan_torchreid.data import reading
from ddan_torchreid.system.files import replacing

from .. import records
from . import streams
from .options import Options, read
from .pack import unpack
from .run import centres, code_of
from .runs import BASELINE_RUN, Run, register

ATTEMPTS = 2
# Batches are the same whatever it is.
ANY_CENTRE = {"central": "auto", "worst": "auto"}
STATE = "state.json"
FAILURES = "failures.jsonl"


class Queue:
    """Hands out runs to workers, and writes down what they answer.

    Args:
        options: of the study.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._runs = options.runs()
        self._changed = threading.Condition()
        self._centres: dict[str, str] = {}
        self._attempts: dict[int, int] = {}
        self._running: dict[int, dict[str, Any]] = {}
        self._failed: list[dict[str, Any]] = []
        self._steps_done = 0
        self._end = time.time() + options.seconds
        self._longest = 0.0
        self._found: set[int] = set()
        self._take_up(records.read(options.results))
        self._pending = deque(n for n in range(len(self._runs)) if n not in self._found)

    def _take_up(self, known: list[records.Record]) -> None:
        by_identity = {records.identity(record): record for record in known}
        # The baseline first: it knows the centre of the others.
        for number in sorted(
            range(len(self._runs)), key=lambda n: self._runs[n].key != BASELINE_RUN
        ):
            run = self._runs[number]
            if run.centre and not self._centres:
                continue
            config = self._options.config(run, self._centres)
            code = code_of(config, self._options.steps)
            record = by_identity.get(("photographs", *run.key, code))
            if record is not None:
                self._found.add(number)
                self._note_centre(run, record)

    def _note_centre(self, run: Run, record: records.Record) -> None:
        if run.key == BASELINE_RUN and "distances" in record:
            self._centres = centres(record["distances"])

    def serve(self, worker: int) -> None:
        """Has one worker process train runs until none is left."""
        process = None
        while (number := self._next(worker)) is not None:
            if process is None or process.poll() is not None:
                process = self._start(worker)
            answer = self._ask(process, worker, number)
            self._conclude(worker, number, answer)
        if process is not None:
            process.communicate()  # which ends its input, and so it

    def _next(self, worker: int) -> int | None:
        with self._changed:
            while True:
                if time.time() + self._longest > self._end:
                    return None
                for number in self._pending:
                    if self._centres or not self._runs[number].centre:
                        self._pending.remove(number)
                        run = self._runs[number]
                        self._running[worker] = {"run": run.key, "steps": 0, "since": time.time()}
                        return number
                # What runs may tell the centre, or fail and come back.
                if not self._running:
                    return None
                self._changed.wait(1)

    def _start(self, worker: int) -> subprocess.Popen:
        log = (self._options.work / "logs" / f"worker{worker}.log").open("a")
        command = [sys.executable, "-m", f"{__package__}.worker", str(self._options.work)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )

    def _ask(self, process: subprocess.Popen, worker: int, number: int) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"number": number, "centres": self._centres}) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if "steps" not in answer:
                return answer
            with self._changed:
                self._steps_done += answer["steps"] - self._running[worker]["steps"]
                self._running[worker]["steps"] = answer["steps"]
        return {"error": f"the worker ended with status {process.wait()}"}

    def _conclude(self, worker: int, number: int, answer: dict[str, Any]) -> None:
        run = self._runs[number]
        with self._changed:
            began = self._running.pop(worker)["since"]
            if "record" in answer:
                self._longest = max(self._longest, time.time() - began)
                records.append(self._options.results, answer["record"])
                self._found.add(number)
                self._note_centre(run, answer["record"])
            else:
                failure = {"run": run.key, "error": answer["error"], "worker": worker}
                self._failed.append(failure)
                with (self._options.results / FAILURES).open("a") as file:
                    file.write(json.dumps(failure) + "\n")
                self._attempts[number] = self._attempts.get(number, 0) + 1
                if self._attempts[number] < ATTEMPTS:
                    first = run.key == BASELINE_RUN
                    (self._pending.appendleft if first else self._pending.append)(number)
            self._changed.notify_all()

    def state(self) -> dict[str, Any]:
        """What `progress` shows."""
        with self._changed:
            return {
                "time": time.time(),
                "total": len(self._runs),
                "found": len(self._found),
                "waiting": len(self._pending),
                "running": [{"worker": w, **each} for w, each in sorted(self._running.items())],
                "failed": self._failed,
                "steps": self._steps_done,
                "centres": self._centres,
            }


def _layout(options: Options, pack: Path) -> None:
    done = options.work / "unpacked"
    if not done.exists():
        unpack(pack, options.data, options.renderers)
        done.touch()
    register(options.data)


def _streams(options: Options) -> tuple[dict[str, Run], int]:
    """A run of each stream that is needed, and the steps of an epoch of each run."""
    first: dict[str, Run] = {}
    for run in options.runs():
        first.setdefault(run.stream, run)
    steps = {}
    for name, run in first.items():
        config = options.config(run, ANY_CENTRE)
        steps[name] = streams.prepare(config, options.work / "streams" / name, options.steps)
    return first, steps[next(iter(steps))]


def _begin_rendering(work: str) -> None:
    options = read(Path(work))
    cv2.setNumThreads(0)  # there is a process for each processor
    # A process meets an image three or four times, and to read it takes as long as to augment it.
    reading.read_pixels = functools.cache(reading.read_pixels)
    os.dup2(
        os.open(options.work / "logs" / "render.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1
    )
    register(options.data)


def _render(work: str, run: Run, epoch: int, part: int) -> None:
    options = read(Path(work))
    config = options.config(run, ANY_CENTRE)
    streams.render(config, options.work / "streams" / run.stream, epoch, part)


def main() -> None:
    """Runs the study to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10**6)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--renderers", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--set", dest="pairs", nargs="+", default=[], metavar="KEY VALUE")
    given = vars(parser.parse_args())
    pack = given.pop("pack")
    options = Options(**given)
    for name in ("logs", "results"):
        (options.work / name).mkdir(parents=True, exist_ok=True)
    options.write()
    os.environ["STUDY_WORKERS"] = str(options.workers)
    _layout(options, pack)
    needed, steps = _streams(options)
    queue = Queue(options)
    context = multiprocessing.get_context("spawn")
    work = str(options.work)
    rendering: list[Any] = []
    errors: list[str] = []

    def note(error: BaseException) -> None:
        errors.append(repr(error))

    with context.Pool(options.renderers, _begin_rendering, (work,)) as pool:
        # Epoch by epoch, for all streams are wanted at once.
        for epoch in range(options.epochs):
            for run in needed.values():
                for part in range(streams.PARTS):
                    task = (work, run, epoch, part)
                    done = pool.apply_async(_render, task, error_callback=note)
                    rendering.append(done)
        pool.close()  # its processes end when there is nothing left to write
        threads = [
            threading.Thread(target=queue.serve, args=(n,), daemon=True)
            for n in range(options.workers)
        ]
        for thread in threads:
            thread.start()
        while True:
            ended = not any(thread.is_alive() for thread in threads)
            rendered = sum(task.ready() for task in rendering)
            with replacing(options.work / STATE) as file:
                state = queue.state() | {
                    "ended": ended,
                    "rendered": [rendered, len(rendering)],
                    "errors": errors[:3],
                    "steps_a_run": steps * options.epochs,
                }
                file.write_text(json.dumps(state), encoding="utf-8")
            if ended:
                break
            time.sleep(1)


if __name__ == "__main__":
    main()
