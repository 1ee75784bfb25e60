"""Training runs one after the other, or several at once in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from typing import Any

import torch

from .runs import Job
from .training_run import LOG, train
from .watch import Report


def train_all(jobs: Sequence[Job], at_once: int, report: Report) -> Iterator[Job]:
    """Trains jobs in their order and yields each when it has finished.

    Args:
        jobs: what to train.
        at_once: processes; with 1, all happens in this one.
        report: called with the part of an epoch that any of them has trained.

    Raises:
        ChildProcessError: a process failed; the others are ended.
    """
    threads = max(1, (os.cpu_count() or 1) // at_once)
    if at_once == 1:
        for job in jobs:
            _limit_threads(threads, job)
            train(job, report)
            yield job
        return
    context = multiprocessing.get_context("spawn")
    waiting = list(jobs)
    running: dict[Any, tuple[Any, Job]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                here, there = context.Pipe(duplex=False)
                job = waiting.pop(0)
                process = context.Process(target=_work, args=(job, threads, there))
                process.start()
                there.close()
                running[here] = (process, job)
            ready: list[Any] = connection.wait(list(running))
            for pipe in ready:
                process, job = running[pipe]
                try:
                    message = pipe.recv()
                except EOFError:
                    message = f"process {process.pid} ended without a word"
                if isinstance(message, int | float):
                    report(message)
                    continue
                process.join()
                del running[pipe]
                pipe.close()
                if message is not None:
                    raise ChildProcessError(message)
                yield job
    finally:
        for process, _ in running.values():
            process.terminate()
            process.join()


def _work(job: Job, threads: int, pipe: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _limit_threads(threads, job)
        train(job, pipe.send)
    except BaseException as error:
        log = job.folder / LOG
        with log.open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        pipe.send(f"{type(error).__name__} in a training process: {error}; see {log}")
    else:
        pipe.send(None)


def _end_with_parent() -> None:
    # A killed parent cannot end its children, and they would go on for hours.
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _limit_threads(threads: int, job: Job) -> None:
    # A core for each process that loads; more threads than cores only wait for each other.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, threads - job.config.data.workers))
