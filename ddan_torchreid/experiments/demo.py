"""The demonstration: baseline and DDAN on drawn pedestrians, scored on domains neither has seen."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from ..config import schema as configuration
from ..data import rendered
from ..evaluation import Scores, as_row, mean_scores
from ..integration import builder
from .machine import machine
from .ranking_picture import ranking_picture

# Table 5's second row, the baseline of the paper's other tables, against its last.
ROWS: dict[str, dict[str, Any]] = {
    "baseline": {"weight_adversarial": 0.0, "weight_similarity": 0.0},
    "DDAN": {},
}


# Enough to see that everything runs, and far too little to learn anything.
QUICK: dict[str, Any] = {"identities": 12, "images_per_camera": 2, "test_identities": 8}


def run(
    output: str | Path, epochs: int | None = None, seed: int = 1, quick: bool = False
) -> dict[str, dict[str, Any]]:
    """Draws the domains, trains both models for the same steps, scores them, writes all of it.

    Args:
        output: folder for data, checkpoints, logs, table (``results.md``, ``results.json``) and
            ranked results (``ranking.png``).
        epochs: instead of the number in ``configs/rendered.yaml``.
        seed: of initial weights, batches and augmentation, the same for both models.
        quick: few identities and one epoch, to see that everything runs.

    Returns:
        ``rank-1``, ``rank-5``, ``rank-10`` and ``mAP`` (fractions) by target, by model.
    """
    if epochs is not None and epochs < 1:
        raise ValueError(f"--epochs {epochs} must be a whole number above 0")
    output = Path(output)
    started = time.perf_counter()
    base = configuration.get_default_config()
    configuration.merge_file(base, configuration.find_file("rendered"))
    base.data.root = str(output / ("quick-data" if quick else "data"))
    base.train.seed = seed
    base.train.max_epoch = epochs or (1 if quick else base.train.max_epoch)

    # One core for each process that loads; on a busy machine more threads only wait for each other.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - base.data.workers))
    names = [*base.data.sources, *base.data.targets]
    print(f"Drawing {len(names)} domains ...")
    for name in names:
        rendered.draw_domain(name, base.data.root, **(QUICK if quick else {}))

    scores: dict[str, dict[str, Scores]] = {}
    engines = {}
    for row, changes in ROWS.items():
        engines[row] = _train(row, base, changes, output)
        scores[row] = engines[row].scores
    table = {
        row: {
            **{name: as_row(each) for name, each in targets.items()},
            "mean": mean_scores(targets),
        }
        for row, targets in scores.items()
    }
    text = format_table(table, base.data.targets)
    picture = output / "ranking.png"
    ranking_picture(engines, base.data.targets, picture)
    steps = base.train.max_epoch * len(engines["DDAN"].train_loader)
    note = (
        f"{steps} steps of {base.train.batch_size} images each, seed {seed}, "
        f"{time.perf_counter() - started:.0f} s in all on {machine()}."
    )
    (output / "results.md").write_text(f"{text}\n\n{note}\n", encoding="utf-8")
    (output / "results.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    print(f"\n{text}\n\n{note}")
    print(f"Table, checkpoints, logs and {picture.name} are in {output}")
    return table


def _train(row: str, base: CfgNode, changes: dict[str, Any], output: Path) -> Any:
    config = base.clone()
    config.data.save_dir = str(output / row.lower())
    for key, value in changes.items():
        config.ddan[key] = value
    print(f"Training {row} ...", flush=True)
    log = output / row.lower() / "train.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        print(config)
        engine = builder.build(config)
        engine.run(**configuration.arguments(config, "run"))
    return engine


def format_table(table: dict[str, dict[str, Any]], targets: list[str]) -> str:
    """A Markdown table, in percent: a row for each model, rank-1/5/10 and mAP for each target."""
    columns = ("rank-1", "rank-5", "rank-10", "mAP")
    lines = [
        f"| target | model | {' | '.join(columns)} |",
        f"|---|---|{'---:|' * len(columns)}",
    ]
    for target in [*targets, "mean"]:
        for row, results in table.items():
            cells = " | ".join(f"{100 * results[target][column]:.1f}" for column in columns)
            lines.append(f"| {target.removeprefix('rendered_')} | {row} | {cells} |")
    return "\n".join(lines)
