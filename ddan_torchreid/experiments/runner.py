"""Runs an experiment: what is missing is trained, one line is written for each run, then a table.

Kill it at any moment and start it again: finished runs are not repeated. Training runs lie in
``<output>/runs/<digest>-seed<N>`` and are shared by all rows of all experiments with the same
configuration; a run that was under way goes on from its newest checkpoint.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from filelock import FileLock, Timeout
from tqdm import tqdm
from yacs.config import CfgNode

from ..version import __version__
from . import records
from .machine import git_state, machine
from .measures import measure
from .plan import make
from .processes import train_all
from .runs import Job, Options, Plan, Run
from .summary import summarise
from .training_run import outcome

LOCK = ".experiment.lock"
# Of this machine alone, and records are published.
_PLACES = ("data.root", "data.save_dir", "model.load_weights", "model.resume")
PROGRESS = "{desc}: {percentage:3.0f}%|{bar}| epoch {n:.1f} of {total} [{elapsed}<{remaining}]"


def run(options: Options) -> list[records.Record]:
    """Trains what has not been trained, writes ``results.jsonl``, ``.md`` and ``.csv``, prints.

    Returns:
        The records of the experiment's rows under the current configuration.

    Raises:
        ValueError, FileNotFoundError: see :func:`.plan.make`.
        BlockingIOError: another experiment is writing to the same folder.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(options.output / LOCK, timeout=0):
            plan = make(options)
            _carry_out(plan)
            return _conclude(plan)
    except Timeout:
        raise BlockingIOError(
            f"another experiment is running in {options.output}; wait for it, or name another "
            "--output"
        ) from None


def _carry_out(plan: Plan) -> None:
    options = plan.options
    finished = {records.identity(each) for each in records.read(options.output)}
    missing = [run for run in plan.runs if options.rescore or _identity(plan, run) not in finished]
    todo: dict[Path, Job] = {}
    for run in missing:
        jobs = [run.job] + ([plan.job_of(run.row.needs, run.seed)] if run.row.needs else [])
        todo |= {job.folder: job for job in jobs if options.rescore or outcome(job) is None}
    again = {folder for folder, job in todo.items() if outcome(job) is not None}
    rescored = frozenset(again)
    training = len(todo) - len(again)
    first = [job for job in plan.pretraining.values() if training and outcome(job) is None]
    print(
        f"{len(plan.runs)} runs on {options.domains} domains, "
        f"{sum(_identity(plan, run) in finished for run in plan.runs)} of them finished before; "
        f"{len(first) + training} to train" + (f", {len(again)} to score again" if again else "")
    )
    if known := sum(run.job.folder not in todo for run in missing):
        print(f"{known} were trained before and are written down now")
    epochs = sum(job.config.train.max_epoch for job in (*first, *todo.values()))
    missing = _report_finished(plan, missing, again, rescored)
    with tqdm(
        total=epochs,
        desc=options.experiment,
        disable=None if epochs else True,  # None: where there is no terminal
        bar_format=PROGRESS,
    ) as bar:

        def report(part: float) -> None:
            bar.update(min(part, bar.total - bar.n))  # parts of an epoch are rounded

        for jobs in (first, list(todo.values())):
            for number, job in enumerate(train_all(jobs, options.jobs, report), 1):
                kind = "pretraining runs" if jobs is first else "runs"
                tqdm.write(f"{number} of {len(jobs)} {kind} done: {job.folder.name}")
                again.discard(job.folder)
                missing = _report_finished(plan, missing, again, rescored)


def _report_finished(
    plan: Plan, runs: list[Run], again: set[Path], rescored: frozenset[Path]
) -> list[Run]:
    """Writes a line for each run that has all it needs; returns the others.

    Args:
        plan: what is carried out.
        runs: without a line yet.
        again: folders of those that have finished and are still to be scored again.
        rescored: folders of all that had finished and are scored again.
    """
    waiting = []
    for run in runs:
        needed = plan.job_of(run.row.needs, run.seed) if run.row.needs else run.job
        jobs = (run.job, needed)
        if any(job.folder in again or outcome(job) is None for job in jobs):
            waiting.append(run)
        else:
            records.append(plan.options.output, _record(plan, run, run.job.folder in rescored))
    return waiting


def _identity(plan: Plan, run: Run) -> tuple[str, str, int, str]:
    return plan.options.experiment, run.row.key, run.seed, run.job.digest


def _record(plan: Plan, run: Run, rescored: bool) -> records.Record:
    options, config = plan.options, run.job.config
    experiment, row, seed, digest = _identity(plan, run)
    result = outcome(run.job) or {}
    needed = outcome(plan.job_of(run.row.needs, seed)) if run.row.needs else None
    record = {
        "experiment": experiment,
        "row": row,
        "label": run.row.label,
        "seed": seed,
        "domains": options.domains,
        "sources": list(config.data.sources),
        "targets": list(config.data.targets),
        "config": _plain(config, _PLACES),
        "options": {
            "scale": options.scale if options.domains == "rendered" else None,
            "average_last": options.average_last,
            "initial_weights": Path(options.initial_weights).name,
            "pretrain_epochs": options.pretrain_epochs,
            "targets": options.targets,
            "pairs": options.pairs,
        },
        "digest": digest,
        **_made_by(plan, run, rescored),
        "run": run.job.folder.relative_to(options.output).as_posix(),
        **result,
        **plan.facts[row],
    }
    if experiment == "protocol":
        record["protocol"] = options.protocol
    if "failed" not in result and "failed" not in (needed or {}):
        record |= measure(plan, run)
    elif run.row.parameter is not None:
        record["parameter"] = dict(zip(("name", "value"), run.row.parameter, strict=True))
    return record


def _made_by(plan: Plan, run: Run, rescored: bool) -> dict[str, Any]:
    """Who trained a run, where and when, and who scored it since."""
    made = {
        "versions": versions(),
        "git": git_state(),
        "machine": machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    earlier: records.Record = {}
    if rescored:
        known = {records.identity(each): each for each in records.read(plan.options.output)}
        earlier = known.get(_identity(plan, run), {})
    if not earlier:
        return made
    kept = {key: earlier[key] for key in made if key in earlier}
    # A run that has failed has nothing to score.
    return kept if earlier.get("failed") else kept | {"rescored": made}


def _conclude(plan: Plan) -> list[records.Record]:
    options = plan.options
    digests = {run.row.key: run.job.digest for run in plan.runs}
    chosen = [
        record
        for record in records.newest(records.read(options.output), options.experiment, digests)
        if record["seed"] <= options.seeds
    ]
    text, table = summarise(options.experiment, chosen)
    (options.output / f"{options.experiment}.md").write_text(text, encoding="utf-8")
    (options.output / f"{options.experiment}.csv").write_text(table, encoding="utf-8")
    print(f"\n{text}")
    print(f"{records.FILE}, {options.experiment}.md and .csv are in {options.output}")
    return chosen


def _plain(config: CfgNode, left_out: Sequence[str]) -> dict[str, Any]:
    """A configuration as nested dictionaries, without some dotted keys."""
    return {
        key: _plain(each, [k.removeprefix(f"{key}.") for k in left_out if k.startswith(f"{key}.")])
        if isinstance(each, CfgNode)
        else each
        for key, each in config.items()
        if key not in left_out
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        torchreid_version = version("torchreid")
    except PackageNotFoundError:  # a checkout on the path
        import torchreid

        torchreid_version = torchreid.__version__
    return {
        "ddan_torchreid": __version__,
        "torch": str(torch.__version__),
        "torchvision": torchvision.__version__,
        "torchreid": torchreid_version,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
