"""What taking shifts of the targets out of finished features is worth: a bound for alignment.

    python -m experiments.ceiling WORK [options of the queue]

Each target's features are scored as they are, with the mean and deviation of the whole target taken
out of every channel, and with those of each camera: of the domains and cameras that are scored on,
which no training can know. Goes into the records of the last stages as ``standardised``, from the
weights that the runs left; not while the queue is running.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ddan_torchreid.evaluation import as_row, evaluate_protocol
from ddan_torchreid.evaluation.protocol import TargetResult, score_splits
from ddan_torchreid.integration import builder
from ddan_torchreid.system.files import replacing

from . import records
from .gpu_study.runs import Options
from .plan import Run


def standardised(features: Tensor, groups: Tensor) -> Tensor:
    """Features (n, D) without the mean and deviation of each channel in each group (n,)."""
    features = F.normalize(features.double())
    found = torch.empty_like(features)
    for group in groups.unique():
        rows = groups == group
        found[rows] = (features[rows] - features[rows].mean(0)) / (features[rows].std(0) + 1e-6)
    return found.float()


def scores(target: TargetResult) -> dict[str, dict[str, float]]:
    """Rank-1 and mAP of a target by what is taken out: nothing, the target's, each camera's."""
    camera = {
        image.path: image.camid
        for split in target.splits.splits
        for image in (*split.query, *split.gallery)
    }
    cameras = torch.tensor([camera[path] for path in target.splits.images()])
    variants = {
        "nothing": target.features,
        "target": standardised(target.features, torch.zeros_like(cameras)),
        "camera": standardised(target.features, cameras),
    }
    rows = {name: as_row(score_splits(target.splits, each).mean) for name, each in variants.items()}
    return {name: {key: row[key] for key in ("rank-1", "mAP")} for name, row in rows.items()}


def measure(run: Run) -> dict[str, Any]:
    """``standardised`` of a record: scores by target and by what is taken out."""
    config = run.config.clone()
    config.data.save_dir = str(run.folder)
    config.model.load_weights = str(run.weights)
    config.ddan.fine_tune = False
    config.test.evaluate = True
    engine = builder.build(config)
    result = evaluate_protocol(engine.bare_model, engine.datamanager)
    return {name: scores(target) for name, target in result.targets.items()}


def main() -> None:
    """Adds what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    options = Options(arguments.work, arguments.epochs, 10**6, "", 1, 1, [], "alignment")
    options.register()
    found = list(records.read(options.results))
    known = {(r["row"], r["seed"]): r for r in found if r["experiment"] == "alignment"}
    for job in options.jobs(known):
        record = known.get(job.key)
        last = job.row.key.startswith(("final/", "proof/"))
        if last and record and record["scores"] and "standardised" not in record:
            record["standardised"] = measure(options.run(job))
            print(record["row"], record["seed"], record["standardised"], flush=True)
    with replacing(options.results / "results.jsonl") as path:
        path.write_text("".join(json.dumps(each) + "\n" for each in found), encoding="utf-8")


if __name__ == "__main__":
    main()
