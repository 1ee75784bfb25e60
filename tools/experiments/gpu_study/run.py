"""Trains and scores one run of the queue, and makes its record."""

from __future__ import annotations

import datetime
import gc
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ddan_torchreid.domains import central_domain, domain_distances, self_distances
from ddan_torchreid.experiments import samples
from ddan_torchreid.experiments.averaging import WeightAverage
from ddan_torchreid.experiments.machine import machine
from ddan_torchreid.experiments.plan import digest
from ddan_torchreid.experiments.probes import probe
from ddan_torchreid.experiments.records import Record
from ddan_torchreid.experiments.runner import versions
from ddan_torchreid.experiments.watch import Watch
from yacs.config import CfgNode

from ddan_torchreid import config as configuration
from ddan_torchreid import training
from ddan_torchreid.data.loader import source_loaders
from ddan_torchreid.evaluation import as_row, evaluate_protocol, extract_features

from . import pack
from .runs import TARGETS, Run
from .streams import Replay

SAMPLES = 1000
"""Images of each source whose features Eq. 3 compares."""
EVERY = 25
"""Steps from one report of progress to the next."""


def code_of(config: CfgNode, most_steps: int) -> str:
    """Digest of all that decides a result but the seed."""
    return digest(
        config,
        {
            "images_per_person": pack.IMAGES_PER_PERSON,
            "quality": pack.QUALITY,
            "steps": most_steps,
        },
    )


def carry_out(
    run: Run, config: CfgNode, folder: Path, code: str, report: Callable[[int], None], probes: bool
) -> Record:
    """Trains on the recorded batches, and scores.

    Args:
        run: what to train.
        config: of it.
        folder: of the study; ``streams`` is read, ``weights`` written for Table 5's first seed.
        code: the record's digest.
        report: called now and then with the number of steps that have been done.
        probes: also look for the source in the features.

    Returns:
        The record; with ``failed`` where training has diverged.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        config.data.save_dir = place
        engine = training.build(config)
        progress = _Progress(engine, report)
        _replay(engine, folder / "streams" / run.stream)
        watch = Watch(engine, WeightAverage(engine.model, 0, config.train.max_epoch), progress)
        result: dict[str, Any] = {"scores": {}}
        try:
            engine.run(**configuration.arguments(config, "run"))
            # Trials of cuDNN's algorithms pay in training; tests see each size of batch once.
            torch.backends.cudnn.benchmark = False
            seconds_training = time.perf_counter() - started
            result |= _scores(engine)
            if run.row.endswith("triplet"):
                result["distances"] = _distances(engine)
            if probes:
                samples.write(engine, Path(place))
                found = probe(samples.read(Path(place)), config.ddan.central_domain)
                result |= {name: each for name, each in found.items() if name != "distances"}
        except FloatingPointError as error:
            seconds_training = time.perf_counter() - started
            result["failed"] = str(error)
        if run.experiment == "table5" and run.seed == 1 and not run.row.startswith("in_bn_"):
            _write_weights(engine.bare_model, folder / "weights" / f"{run.row}.pth")
    record = {
        "experiment": run.experiment,
        "row": run.row,
        "label": run.label,
        "seed": run.seed,
        "domains": "real",
        "sources": list(config.data.sources),
        "targets": TARGETS,
        "config": _plain(config),
        "options": {
            "images_per_person": pack.IMAGES_PER_PERSON,
            "webp_quality": pack.QUALITY,
            "changes": run.changes,
            "stream": run.stream,
            "workers": int(os.environ.get("STUDY_WORKERS", "1")),
            "mps": bool(os.environ.get("CUDA_MPS_PIPE_DIRECTORY")),
        },
        "digest": code,
        "versions": versions(),
        "git": {"commit": os.environ.get("STUDY_COMMIT"), "dirty": False},
        "machine": machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - started, 1),
        "seconds_training": round(seconds_training, 1),
        "steps": watch.steps,
        "curves": watch.curves() | progress.curves,
        "identities": engine.datamanager.num_train_pids,
        "images": len(engine.train_loader.dataset.data),
        **result,
    }
    if run.parameter is not None:
        record["parameter"] = dict(zip(("name", "value"), run.parameter, strict=True))
    del engine, watch, progress
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return record


def _replay(engine: Any, stream: Path) -> None:
    loader = Replay(engine, engine.train_loader, stream)
    engine.train_loader = engine.datamanager.train_loader = loader
    # What a run of an hour needs, and one of a minute waits for.
    engine.writer = _Silent()
    engine.test = lambda *_, **__: 0.0
    engine.save_model = lambda *_, **__: None


class _Silent:
    """In place of TensorBoard's writer."""

    def add_scalar(self, *_: Any) -> None:
        """Writes nothing."""

    def close(self) -> None:
        """There is nothing to close."""


class _Progress:
    """Counts steps, and notes at the end of each epoch what no step returns."""

    def __init__(self, engine: Any, report: Callable[[int], None]) -> None:
        self._engine = engine
        self._report = report
        self._steps = 0
        self.curves: dict[str, list[float]] = {"lr": []}

    def __call__(self, part: float) -> None:
        engine = self._engine
        self._steps += 1
        ended = engine.batch_idx + 1 == len(engine.train_loader)
        if ended or self._steps % EVERY == 0:
            self._report(self._steps)
        if not ended:
            return
        self.curves["lr"].append(engine.get_current_lr())
        if engine.pool is not None:
            channels = engine.pool.distinct_largest_channels()
            self.curves.setdefault("pool_largest_channels", []).append(channels)


def _scores(engine: Any) -> dict[str, Any]:
    """``scores`` of the targets, ``validation``, and in runs without those persons ``home``."""
    settings = engine.settings
    found = evaluate_protocol(
        engine.model,
        engine.datamanager,
        splits=settings.evaluation_splits,
        seed=settings.splits_seed,
        legacy_metrics=settings.legacy_metrics,
    ).targets
    rows: dict[str, dict[str, Any]] = {}
    for name, target in found.items():
        rows[name] = dict(as_row(target.mean))
        spread = {key: value for key, value in target.std.items() if math.isfinite(value)}
        if spread:
            rows[name]["std"] = spread
    result = {
        "scores": {name: rows[name] for name in TARGETS},
        "validation": {name: rows[name] for name in pack.VALIDATION},
    }
    return result | ({"home": {"market1501": rows["market1501"]}} if "market1501" in rows else {})


def _distances(engine: Any) -> dict[str, Any]:
    """Table 2, and Eq. 3's choice, as ``central_domain auto`` would make it from this model."""
    loaders = source_loaders(engine.datamanager, 2 * SAMPLES)
    features = {
        name: extract_features(engine.model, loader, engine.device).features
        for name, loader in loaders.items()
    }
    names, matrix = domain_distances(features, SAMPLES)
    return {
        "names": names,
        "matrix": matrix.tolist(),
        "self": self_distances(features, SAMPLES).tolist(),
        "central": central_domain(names, matrix),
    }


def centres(distances: dict[str, Any]) -> dict[str, str]:
    """The sources with the smallest and with the largest sum of distances to the others."""
    sums = [sum(row) for row in distances["matrix"]]
    worst = distances["names"][sums.index(max(sums))]
    return {"central": distances["central"], "worst": worst}


def _write_weights(model: Any, file: Path) -> None:
    kept = {
        name: tensor.half().cpu() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in model.state_dict().items()
        if name.startswith(("encoder.", "mapping.", "neck."))
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": kept}, file)


def _plain(config: CfgNode) -> dict[str, Any]:
    """The configuration as nested dictionaries, without the places of files."""
    plain = {
        key: _plain(each) if isinstance(each, CfgNode) else each for key, each in config.items()
    }
    for key in ("root", "save_dir", "load_weights", "resume"):
        plain.pop(key, None)
    return plain
