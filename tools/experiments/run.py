"""One run: trains, scores, and leaves all that any table needs in its folder.

The folder holds ``outcome.json`` (written last: where it exists the run is finished),
``weights.pth.tar``, ``features.npz`` (a sample of each source) and ``train.log``.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from yacs.config import CfgNode

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.evaluation import as_row
from ddan_torchreid.integration import builder, registry
from ddan_torchreid.system import state_files
from ddan_torchreid.system.files import replacing
from ddan_torchreid.training import resuming
from ddan_torchreid.training.checkpoint_store import newest, written_files

from . import features, records
from .follow import EpochMeans
from .held_out import held_out_scores
from .photographs import VALIDATION
from .plan import OUTCOME, Run, changed_keys
from .validation import validation_scores


def train(run: Run, prepare: Callable[[Any], None] = lambda engine: None) -> None:
    """Trains a run to its end, from its newest checkpoint where there is one.

    A run that diverges has an outcome too, ``failed``: it would diverge again.

    Args:
        run: what to train.
        prepare: called with the engine before it runs.

    Raises:
        OSError: a checkpoint cannot be read or written; what lies in the folder stays.
        SystemExit: a signal asked to stop; the state has been saved.
    """
    config = run.config.clone()
    config.data.save_dir = str(run.folder)
    registry.register_own(run.datasets)
    checkpoint = newest(run.folder)
    # Checkpoints that are of no use now may be of some to a person.
    if checkpoint is None and not written_files(run.folder):
        shutil.rmtree(run.folder, ignore_errors=True)
    with _log(run):
        print(configuration.changes(config))
        engine = builder.build(config)
        prepare(engine)
        means = EpochMeans(engine)
        if checkpoint is not None:
            config.train.start_epoch = resuming.resume(engine, checkpoint)
        try:
            engine.run(**configuration.arguments(config, "run"))
            found = _scores(engine, config, run)
        except FloatingPointError as error:
            found = {"scores": {}, "failed": str(error)}
        _write_weights(engine.bare_model, run)
    _write_outcome(run, found | means.entries() | {"counts": _counts(engine.datamanager)})
    for name in engine.get_model_names():
        shutil.rmtree(run.folder / name, ignore_errors=True)


def score_again(run: Run) -> None:
    """Scores a finished run again, from the weights that it left.

    Raises:
        FileNotFoundError: the weights are gone.
    """
    outcome = run.outcome() or {}
    if "failed" in outcome:
        return
    config = run.config.clone()
    config.data.save_dir = str(run.folder)
    config.model.load_weights = str(run.weights)
    config.ddan.fine_tune = False
    config.test.evaluate = True
    registry.register_own(run.datasets)
    with _log(run):
        engine = builder.build(config)
        engine.run(**configuration.arguments(config, "run"))
        found = _scores(engine, config, run)
    _write_outcome(run, outcome | found)


def record_of(experiment: str, run: Run, needed: Run | None) -> records.Record:
    """The record of a finished run, made here and now.

    Args:
        experiment: its name.
        run: that has an outcome.
        needed: the finished run that its features are compared with.
    """
    outcome = run.outcome() or {}
    record = {
        "experiment": experiment,
        "row": run.row.key,
        "label": run.row.label,
        "place": run.place,
        "seed": run.seed,
        "sources": list(run.config.data.sources),
        "targets": list(run.config.data.targets),
        "config": changed_keys(run.config),
        "digest": run.digest,
        **records.made_by(),
        "run": f"{run.folder.parent.name}/{run.folder.name}",
        **outcome,
    }
    if needed and "failed" not in {**outcome, **(needed.outcome() or {})}:
        record |= features.compare(features.read(needed.folder), features.read(run.folder))
    return record


@contextlib.contextmanager
def _log(run: Run) -> Iterator[None]:
    run.folder.mkdir(parents=True, exist_ok=True)
    with (
        (run.folder / "train.log").open("a", 1, encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
    ):
        yield


def _scores(engine: Any, config: CfgNode, run: Run) -> dict[str, Any]:
    """Entries of a record from the test that ended an engine's run, and from the sources."""
    rows = {name: as_row(scores) for name, scores in engine.scores.items()}
    found: dict[str, Any] = {
        "scores": {
            name: {key: round(value, 6) for key, value in row.items() if math.isfinite(value)}
            for name, row in rows.items()
        }
    }
    if not config.data.combineall and (held_out := held_out_scores(engine, config)):
        found["held_out"] = held_out
    if any(dataset.startswith(VALIDATION) for dataset in run.datasets):
        found["validation"] = validation_scores(engine, config)
    if set(engine.datamanager.targets) <= set(VALIDATION):
        return found
    sample = features.take(engine)
    features.write(sample, run.folder)
    found["distances"] = features.distances(sample)
    return found


def _counts(datamanager: Any) -> dict[str, dict[str, list[int]]]:
    train = datamanager.train_loader.dataset.train
    sources = {}
    for number, name in enumerate(datamanager.sources):
        pids = [item[1] for item in train if item[3] == number]
        sources[name] = [len(set(pids)), len(pids)]
    targets = {
        name: [len(loaders[part].dataset) for part in ("query", "gallery")]
        for name, loaders in datamanager.test_loader.items()
    }
    return {"sources": sources, "targets": targets}


def _write_weights(model: nn.Module, run: Run) -> None:
    weights = {key: tensor.cpu() for key, tensor in model.state_dict().items()}
    epoch = run.config.train.max_epoch
    state_files.write({"state_dict": weights, "epoch": epoch}, run.weights)


def _write_outcome(run: Run, outcome: dict[str, Any]) -> None:
    with replacing(run.folder / OUTCOME) as path:
        path.write_text(json.dumps(outcome, allow_nan=False), encoding="utf-8")
