"""Trains and scores one run of the queue, and makes its record."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from ddan_torchreid.config import schema
from ddan_torchreid.evaluation import as_row, evaluate_protocol
from ddan_torchreid.integration import builder

from .. import features
from ..follow import EpochMeans
from ..plan import changed_keys, digest
from ..records import Record, made_by
from . import pack
from .runs import TARGETS, Run
from .streams import Replay

EVERY = 25
"""Steps from one report of progress to the next."""


def code_of(config: CfgNode, most_steps: int) -> str:
    """Digest of all that decides a result but the seed."""
    images = {"images_per_person": pack.IMAGES_PER_PERSON, "quality": pack.QUALITY}
    return digest(config, **images, steps=most_steps)


def carry_out(
    run: Run, config: CfgNode, folder: Path, code: str, report: Callable[[int], None]
) -> Record:
    """Trains on the recorded batches, and scores.

    Args:
        run: what to train.
        config: of it.
        folder: of the study; ``streams`` is read, ``weights`` written for Table 5's first seed.
        code: the record's digest.
        report: called now and then with the number of steps that have been done.

    Returns:
        The record; with ``failed`` where training has diverged.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        config.data.save_dir = place
        engine = builder.build(config)
        _replay(engine, folder / "streams" / run.stream)
        means = EpochMeans(engine)
        _report_steps(engine, report)
        result: dict[str, Any] = {"scores": {}}
        try:
            engine.run(**schema.arguments(config, "run"))
            # Trials of cuDNN's algorithms pay in training; tests see each size of batch once.
            torch.backends.cudnn.benchmark = False
            result |= _scores(engine)
            if run.row.key.endswith("triplet"):
                result["distances"] = features.distances(features.take(engine))
        except FloatingPointError as error:
            result["failed"] = str(error)
        if run.seed == 1 and run.row.seeds is None:
            _write_weights(engine.bare_model, folder / "weights" / f"{run.row.key}.pth")
    train = engine.train_loader.dataset
    record = {
        "experiment": "photographs",
        "row": run.row.key,
        "label": run.row.label,
        "place": run.place,
        "seed": run.seed,
        "sources": list(config.data.sources),
        "targets": TARGETS,
        "counts": {"sources": {"all": [engine.datamanager.num_train_pids, len(train.data)]}},
        "config": changed_keys(config),
        "digest": code,
        **made_by(),
        "git": {"commit": os.environ.get("STUDY_COMMIT"), "dirty": False},
        "run": f"runs/{code}-seed{run.seed}",
        **result,
        **means.entries(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    del engine, means
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


def _report_steps(engine: Any, report: Callable[[int], None]) -> None:
    step, steps = engine.forward_backward, 0

    def counted(data: Any) -> dict[str, float]:
        nonlocal steps
        summary = step(data)
        steps += 1
        if steps % EVERY == 0 or engine.batch_idx + 1 == len(engine.train_loader):
            report(steps)
        return summary

    engine.forward_backward = counted


def _scores(engine: Any) -> dict[str, Any]:
    """``scores``, ``validation``, and ``held_out`` in runs without those persons."""
    settings = engine.settings
    found = evaluate_protocol(
        engine.model,
        engine.datamanager,
        splits=settings.evaluation_splits,
        seed=settings.splits_seed,
        legacy_metrics=settings.legacy_metrics,
    ).scores
    rows = {
        name: {key: round(value, 6) for key, value in as_row(scores).items()}
        for name, scores in found.items()
    }
    result = {
        "scores": {name: rows[name] for name in TARGETS},
        "validation": {name: rows[name] for name in pack.VALIDATION},
    }
    held_out = {name: rows[name] for name in rows if name == "market1501"}
    return result | ({"held_out": held_out} if held_out else {})


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
