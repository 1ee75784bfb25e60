"""Trains DDAN on synthetic pedestrians and shows how well it recognises others, elsewhere.

    python tools/demo.py

It is also the example of an engine that is built in Python. Five domains are made and trained on;
four others, with other people, cameras and weather, are only tested on. For each of these it prints
rank-1, rank-5, rank-10 and mAP of the raw pixels, of the network before and after training, and of
the weights of the package, which have only seen photographs. It draws what the network ranks first
before and after training. Minutes on two CPU cores; it needs no data.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ddan_torchreid  # registers what torchreid is asked for below; first, or torchreid warns

# isort: split
import synthetic
import torch
import torchreid
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor, nn

from ddan_torchreid.evaluation import ProtocolResult, as_row, evaluate_protocol
from ddan_torchreid.inference.trained_model import load_trained_model

METRICS = ("rank-1", "rank-5", "rank-10", "mAP")
SHOWN, NEAREST = 2, 7
"""Queries of each target in the picture, and gallery images of each."""
RIGHT, WRONG, QUERY = (0, 160, 0), (210, 0, 0), (120, 120, 120)


class RawPixels(nn.Module):
    """What the network has to beat: an image is its own feature."""

    def __init__(self) -> None:
        super().__init__()
        self.device = nn.Parameter(torch.empty(0))  # by which the evaluator finds the device

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> features (B, 3 H W)."""
        return images.flatten(1)


def main(words: list[str] | None = None) -> int:
    """Draws, trains, scores, prints the table and writes it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="for all it writes")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    arguments = parser.parse_args(words)
    if arguments.epochs < 1:
        parser.error(f"--epochs {arguments.epochs} must be a whole number above 0")
    started = time.perf_counter()
    cores = os.cpu_count() or 1
    torch.set_num_threads(max(1, cores - 1))  # one is for the process that loads
    epochs = 1 if arguments.quick else arguments.epochs
    arguments.output.mkdir(parents=True, exist_ok=True)
    log = arguments.output / "train.log"
    print(f"{epochs} epochs; what torchreid prints meanwhile is in {log}", flush=True)
    with log.open("w", 1, encoding="utf-8") as file, contextlib.redirect_stdout(file):
        folders = draw(arguments.output, quick=arguments.quick, workers=cores)
        datamanager = load(folders, (64, 32), workers=0 if arguments.quick else 1)
        engine = build(datamanager, epochs, arguments.seed)
        results = {"raw pixels": score(RawPixels(), datamanager)}
        results["untrained"] = score(engine.model, datamanager)
        engine.run(save_dir=str(arguments.output), max_epoch=epochs, print_freq=10)
        results["DDAN"] = score(engine.model, datamanager)
        shipped = load_trained_model()
        larger = load(folders, (shipped.height, shipped.width), workers=0)
        results["shipped weights"] = score(shipped.model, larger)
    text = table(results)
    picture = arguments.output / "ranking.png"
    ranking_picture(results, picture)
    steps = epochs * len(engine.train_loader)
    note = f"{steps} steps, seed {arguments.seed}, {time.perf_counter() - started:.0f} s in all."
    (arguments.output / "results.md").write_text(f"{text}\n\n{note}\n", encoding="utf-8")
    print(f"\n{text}\n\n{note}")
    print(f"Table, checkpoint, log and {picture.name} are in {arguments.output}")
    return 0


def draw(output: Path, quick: bool, workers: int) -> dict[str, Path]:
    """Draws the domains, unless they are there; returns their folders by name."""
    sizes = {"identities": 8, "images": 2, "test_identities": 6} if quick else {}
    root = output / ("quick-data" if quick else "data")
    folders = synthetic.draw(root, synthetic.SOURCES, **sizes | {"test_identities": 0})
    folders |= synthetic.draw(root, synthetic.TARGETS, **sizes | {"identities": 0})
    return folders


def load(folders: dict[str, Path], size: tuple[int, int], workers: int) -> Any:
    """Makes torchreid's data manager of the domains, for images of a (height, width)."""
    synthetic.register(folders)
    return torchreid.data.ImageDataManager(
        root=str(folders[synthetic.SOURCES[0]].parent),
        sources=list(synthetic.SOURCES),
        targets=list(synthetic.TARGETS),
        height=size[0],
        width=size[1],
        batch_size_train=64,
        workers=workers,
        use_gpu=torch.cuda.is_available(),
        train_sampler="MultiDomainIdentitySampler",
        transforms=["ddan"],
    )


def build(datamanager: Any, epochs: int, seed: int) -> ddan_torchreid.ImageDDANEngine:
    """DDAN with a narrow MobileNetV2 that starts from random weights."""
    torchreid.utils.set_random_seed(seed)
    model = torchreid.models.build_model(
        "ddan_mobilenetv2_x0_5", datamanager.num_train_pids, loss="ddan", pretrained=False
    )
    model = model.cuda() if torch.cuda.is_available() else model
    optimizer = torchreid.optim.build_optimizer(model, optim="adam", lr=0.003)
    scheduler = torchreid.optim.build_lr_scheduler(optimizer, "cosine", max_epoch=epochs)
    return torchreid.engine.ImageDDANEngine(
        datamanager,
        model,
        optimizer,
        scheduler,
        use_gpu=torch.cuda.is_available(),
        central_domain="film",
        similarity_start_epoch=4,
        seed=seed,
    )


def score(model: nn.Module, datamanager: Any) -> ProtocolResult:
    """Scores a model's features on every target, on its own query and gallery."""
    return evaluate_protocol(model, datamanager, splits=0)


def table(results: Mapping[str, ProtocolResult]) -> str:
    """A Markdown table in percent: for each target, and their mean, a line for each model."""
    lines = [f"| target | features | {' | '.join(METRICS)} |", f"|---|---|{'---:|' * len(METRICS)}"]
    for target in [*synthetic.TARGETS, "mean"]:
        for name, result in results.items():
            row = result.mean if target == "mean" else as_row(result.scores[target])
            cells = " | ".join(f"{100 * row[metric]:.1f}" for metric in METRICS)
            lines.append(f"| {target} | {name} | {cells} |")
    return "\n".join(lines)


def ranking_picture(results: Mapping[str, ProtocolResult], path: Path) -> None:
    """Draws some queries of each target with their nearest gallery images, before and after.

    Right ones are framed in green, wrong ones in red.
    """
    rows = []
    for target, result in results["DDAN"].targets.items():
        queries = len(result.splits.splits[0].query)
        for place in range(SHOWN):
            rows.append((target, (2 * place + 1) * queries // (2 * SHOWN)))
    models = ("untrained", "DDAN")
    cell, title = (44, 76), 18  # of an image in its frame, and of the words above
    block = cell[0] * (NEAREST + 1) + 20
    sheet = Image.new("RGB", (block * len(models), title + cell[1] * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, model in enumerate(models):
        draw.text((column * block + 4, 3), f"{model}: query, then its nearest images", "black")
        for row, (target, query) in enumerate(rows):
            for place, (file, colour) in enumerate(_ranked(results[model].targets[target], query)):
                with Image.open(file) as image:
                    small = ImageOps.expand(image.convert("RGB").resize((34, 68)), 3, colour)
                sheet.paste(small, (column * block + place * cell[0], title + row * cell[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _ranked(result: Any, place: int) -> list[tuple[Path, tuple[int, int, int]]]:
    """A query and the nearest gallery images that count, each with the colour of its frame."""
    split, distances = result.splits.splits[0], result.scores[0].distances
    query = split.query[place]
    near = [split.gallery[number] for number in distances[place].argsort(kind="stable")]
    kept = [each for each in near if (each.pid, each.camid) != (query.pid, query.camid)]
    folder = result.splits.folder
    found = [(folder / query.path, QUERY)]
    found += [(folder / e.path, RIGHT if e.pid == query.pid else WRONG) for e in kept[:NEAREST]]
    return found


if __name__ == "__main__":
    sys.exit(main())
