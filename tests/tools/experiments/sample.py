"""Invented records of studies, small enough to draw in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments import photographs
from experiments.records import FILE, Record

SOURCES = ["plaza", "mall", "film"]
TARGETS = ["snow", "night"]
GAINS = {"identity": 0.20, "triplet": 0.24, "alignment": 0.24, "similarity": 0.22}
DISTANCES = {
    "names": SOURCES,
    "matrix": [[0.0, 0.9, 0.5], [0.9, 0.0, 0.4], [0.5, 0.4, 0.0]],
    "self": [0.1, 0.1, 0.1],
    "central": "film",
}


def record(experiment: str = "table5", row: str = "identity", seed: int = 1, **changes: Any) -> Any:
    """One line of results.jsonl; each target is ten points easier than the one before."""
    rank1 = changes.pop("rank1", GAINS.get(row, 0.2) + 0.004 * seed)
    targets = changes.get("targets", TARGETS)
    scores = {
        name: {"rank-1": rank1 + 0.1 * place, "rank-5": rank1 + 0.3, "mAP": rank1 + 0.05}
        for place, name in enumerate(targets)
    }
    return {
        "experiment": experiment,
        "row": row,
        "label": row,
        "place": list(GAINS).index(row) if row in GAINS else 9,
        "seed": seed,
        "sources": SOURCES,
        "targets": TARGETS,
        "counts": {"sources": {"plaza": [24, 288]}, "targets": {"snow": [36, 72]}},
        "config": {"train.max_epoch": 3, "train.batch_size": 24},
        "digest": f"digest-{row}",
        "versions": {"torch": "2.15.0"},
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "machine": "2 CPU cores",
        "seconds": 1800.0,
        "steps": 27,
        "finished": f"2025-11-16T16:0{seed}:00+00:00",
        "run": f"runs/digest-{row}-seed{seed}",
        "curves": {
            "epoch": [1, 2, 3],
            "loss_id": [3.0, 2.0, 1.5 + 0.1 * seed],
            "balanced_acc_domain": [50.0, 55.0, 60.0],
            "pool_largest_channels": [90, 85, 80 + seed],
            "loss_similarity": [None, None, 0.2],
        },
        "scores": scores,
        "distances": DISTANCES,
        **changes,
    }


def table5(seeds: int = 2) -> list[Record]:
    """Two clear steps up, none, and down; the second row varies more between the seeds."""
    return [
        record(row=row, seed=seed, rank1=gain + 0.004 * seed + 0.002 * seed * (row == "triplet"))
        for seed in range(1, seeds + 1)
        for row, gain in GAINS.items()
    ]


def of_photographs() -> list[Record]:
    """Every run of the study on photographs, with numbers that mean nothing."""
    found = []
    for place, row in enumerate(photographs.rows()):
        for seed in range(1, (row.seeds or 5) + 1):
            each = record("photographs", row.key, seed, targets=photographs.BASE["data.targets"])
            for scores in each["scores"].values():
                scores["legacy mAP"] = scores["mAP"] - 0.1
            each |= {"label": row.label, "place": place}
            each["config"] = each["config"] | row.changes
            if row.needs:
                each["moved"] = dict.fromkeys(SOURCES, 0.3)
                each["triples"] = {"all": 9, "mended": 3, "broken": 1}
            if row.key.startswith("held_out"):
                each["held_out"] = {"plaza": {"rank-1": 0.5, "mAP": 0.4}}
            found.append(each)
    return found


def write(folder: Path, records: list[Record]) -> Path:
    """Makes an output folder of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder
