"""One training run: trains, averages, scores, and leaves all that any table needs in its folder.

The folder holds ``outcome.json`` (written last: where it exists the run is finished),
``weights.pth.tar``, ``features.npz`` (a sample of each source) and ``train.log``.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..config import schema as configuration
from ..evaluation import TargetResult, as_row, evaluate_protocol
from ..integration import builder
from ..system import state_files
from ..system.files import replacing
from ..training import resuming
from ..training.checkpoint_store import newest, written_files
from . import samples
from .averaging import WeightAverage
from .erasure import erased
from .home import home_scores
from .probes import probe
from .runs import Job
from .watch import Report, Watch

OUTCOME = "outcome.json"
LOG = "train.log"
QUERIES, GALLERY = 4, 8
"""Ranked results that are kept of each target."""


def outcome(job: Job) -> dict[str, Any] | None:
    """What a finished run left; None if it has not finished."""
    try:
        return json.loads((job.folder / OUTCOME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def train(job: Job, report: Report) -> None:
    """Trains a job to its end, from its newest checkpoint where there is one.

    A finished one is scored again, from the weights that it left.

    Args:
        job: what to train.
        report: called with each part of an epoch that has been trained.

    Raises:
        FloatingPointError: pretraining has diverged; of other runs this is the outcome.
        FileNotFoundError: the weights of a finished run are gone.
        OSError: a checkpoint cannot be read or written; what lies in the folder stays.
    """
    finished = outcome(job)
    if finished is not None:
        _score_again(job, finished)
        report(job.config.train.max_epoch)
        return
    config = job.config.clone()
    config.data.save_dir = str(job.folder)
    config.ddan.progress = "off"  # there is one bar for all runs
    checkpoint_file = newest(job.folder)
    if checkpoint_file is None:
        # Checkpoints that are of no use now may be of some to a person.
        if not written_files(job.folder):
            shutil.rmtree(job.folder, ignore_errors=True)
        job.folder.mkdir(parents=True, exist_ok=True)
    with (
        (job.folder / LOG).open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
    ):
        print(config)
        engine = builder.build(config)
        average = WeightAverage(engine.model, job.average_last, config.train.max_epoch)
        watch = Watch(engine, average, report)
        if checkpoint_file is not None:
            config.train.start_epoch = resuming.resume(engine, checkpoint_file)
        result: dict[str, Any] = {}
        try:
            engine.run(**configuration.arguments(config, "run"))
            watch.end_epoch()
            average.apply(engine, config.train.seed)
            result |= _scored(engine, config, job)
        except FloatingPointError as error:
            if job.only_weights:
                raise
            # As with a very small tau (Sec. 4.4): a result like any other, the same every time.
            result = {"scores": {}, "rankings": {}, "failed": str(error)}
        result |= {
            "curves": watch.curves(),
            "steps": watch.steps,
            "seconds": round(watch.seconds, 1),
        }
        _write_weights(engine.model, job)
    _write_outcome(job, result)
    for name in engine.get_model_names():
        shutil.rmtree(job.folder / name, ignore_errors=True)


def _score_again(job: Job, finished: dict[str, Any]) -> None:
    if "failed" in finished:
        return
    config = job.config.clone()
    config.data.save_dir = str(job.folder)
    config.model.load_weights = str(job.weights)
    config.ddan.fine_tune = False
    with (
        (job.folder / LOG).open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
    ):
        engine = builder.build(config)
        _write_outcome(job, finished | _scored(engine, config, job))


def _write_outcome(job: Job, result: dict[str, Any]) -> None:
    with replacing(job.folder / OUTCOME) as path:
        path.write_text(json.dumps(result, allow_nan=False), encoding="utf-8")


def _scored(engine: Any, config: Any, job: Job) -> dict[str, Any]:
    """Scores a trained model and leaves its features of the sources in the job's folder.

    Returns:
        The entries of a record from ``scores`` to ``home``; see :mod:`.records`.
    """
    scoring = {
        "ranks": config.test.ranks,
        "dist_metric": config.test.dist_metric,
        "normalize_feature": config.test.normalize_feature,
        "rerank": config.test.rerank,
        "use_metric_cuhk03": config.cuhk03.use_metric_cuhk03,
        "evaluator": config.ddan.evaluator,
    }
    targets = evaluate_protocol(
        engine.model,
        engine.datamanager,
        splits=0 if job.drawn else config.ddan.evaluation_splits or 10,
        seed=config.ddan.splits_seed,
        a_to_b=config.ddan.viper_a_to_b,
        splits_from=config.ddan.splits_from,
        **scoring,
    ).targets
    scores: dict[str, Any] = {}
    for name, target in targets.items():
        scores[name] = {k: v for k, v in as_row(target.mean).items() if math.isfinite(v)}
        spread = {k: v for k, v in target.std.items() if math.isfinite(v)}
        if spread:
            scores[name]["std"] = spread
    root = Path(config.data.root).expanduser().absolute()
    rankings = {name: _rankings(target, root) for name, target in targets.items()}
    result: dict[str, Any] = {"scores": scores, "rankings": rankings}
    if not job.only_weights:
        samples.write(engine, job.folder)
        sample, central = samples.read(job.folder), config.ddan.central_domain
        result |= probe(sample, central)
        if without := erased(sample, central, targets, **scoring):
            result["erased"] = without
        # All images of a real source are trained on, where the configuration says so.
        if job.drawn and not config.data.combineall:
            result["home"] = home_scores(engine, config, **scoring)
    return result


def _rankings(target: TargetResult, root: Path) -> list[dict[str, Any]]:
    """Evenly spaced queries of a target's first split, and their nearest gallery images."""
    split, distances = target.splits.splits[0], target.scores[0].distances
    folder = target.splits.folder.absolute()

    def below_root(path: str) -> str:
        return (folder / path).relative_to(root).as_posix()

    rankings = []
    for place in np.linspace(0, len(split.query), QUERIES, endpoint=False).astype(int):
        query = split.query[place]
        ordered = (split.gallery[position] for position in distances[place].argsort(kind="stable"))
        kept = [each for each in ordered if (each.pid, each.camid) != (query.pid, query.camid)]
        nearest = [[below_root(each.path), int(each.pid == query.pid)] for each in kept[:GALLERY]]
        rankings.append({"query": below_root(query.path), "gallery": nearest})
    return rankings


def _write_weights(model: nn.Module, job: Job) -> None:
    weights = state_files.unprefixed({"state_dict": model.state_dict()})
    if job.only_weights:
        # Other people: an identity head of the same size by chance must not be loaded.
        weights = {k: v for k, v in weights.items() if not k.startswith("classifier.")}
    weights = {key: tensor.to("cpu", torch.float32) if tensor.is_floating_point() else tensor.cpu()
               for key, tensor in weights.items()}  # fmt: skip
    state_files.write({"state_dict": weights, "epoch": job.config.train.max_epoch}, job.weights)
