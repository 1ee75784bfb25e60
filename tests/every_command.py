"""Runs every command on names that are no plain text: ``python -m tests.every_command FOLDER``.

Prints a line for each with its exit status. In one process, because a start takes seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torchreid
from PIL import Image

from ddan_torchreid.cli import main

# Letters that cp1252 lacks or no console of the West has, a line break, and no text at all.
NAMES = [os.fsdecode(each) for each in ("ť ž".encode(), "人".encode(), b"a\nb", b"\xff\xfe")]
SMALL = [
    *("model.name", "ddan_mobilenetv2_x0_35", "model.pretrained", "false", "data.height", "32"),
    *("data.width", "16", "data.workers", "0", "train.batch_size", "8", "ddan.top_k", "1"),
    *("sampler.train_sampler", "MultiDomainIdentitySampler", "data.combineall", "false"),
    *("train.max_epoch", "1", "ddan.central_domain", "one", "test.ranks", "[1]"),
    *("sampler.num_instances", "2", "train.print_freq", "1", "use_gpu", "false"),
]


def write_dataset(folder: Path, shade: int) -> None:
    """Four persons in two cameras, in Market-1501's layout; each has one of the names."""
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (folder / part).mkdir(parents=True)
        for person, name in enumerate(NAMES, 10 * (part != "bounding_box_train") + 1):
            for camera in {"query": (1,), "bounding_box_test": (2,)}.get(part, (1, 2)):
                path = folder / part / f"{person:04d}_c{camera}_{name}.png"
                with path.open("wb") as file:
                    color = (20 * person % 256, 90 * camera, shade)
                    Image.new("RGB", (16, 32), color).save(file, "PNG")


def run_all(folder: Path) -> dict[str, int]:
    """Exit statuses by command; 0 where everything is as it should be, 1 or 2 where it is said."""
    place = folder / "_".join(NAMES)
    for number, name in enumerate(("one", "two")):
        write_dataset(place / name, 50 * number)
    own = ("--dataset", f"one={place}/one", "--dataset", f"two={place}/two", *SMALL)
    sets = (*own, "--root", str(place), "-s", "one", "two", "-t", "two")
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 8, "ddan", False)
    weights = place / "weights"
    torch.save({"state_dict": model.state_dict()}, weights.open("wb"))
    (broken := place / f"{NAMES[1]}{NAMES[3]}.png").write_text("no image")
    log, given = str(folder / "log"), ("--weights", str(weights))
    commands = {
        "train": [*sets, "--config-file", "ddan_no_duke", "data.save_dir", log],
        "train --resume": [*sets, "--config-file", "ddan_no_duke", "data.save_dir", log],
        "train again": [*sets, "--config-file", "ddan_no_duke", "data.save_dir", log],
        "train no text": [*sets, "--config-file", "ddan_no_duke", "data.save_dir", f"{place}/log"],
        "train nothing": [*sets, "-t", NAMES[3], "-s", NAMES[1]],
        "evaluate": [*sets, *given, "data.save_dir", f"{place}/log", "test.visrank", "true"],
        "evaluate --splits 2": [*sets, *given, "data.save_dir", log, "--output", f"{place}/out"],
        "central-domain": [*sets, *given, "--samples", "4"],
        "extract": [str(place), *given, "-o", f"{place}/f.npz", "--workers", "0"],
        "search": [str(place / "one" / "query"), f"{place}/f.npz", *given, "-o", f"{place}/found"],
        "export": [str(weights), "-o", f"{place}/model.onnx"],
        "export --format torch": [str(weights), "-o", f"{place}/model.pt2"],
        "convert": ["--official", str(weights), f"{place}/out"],
        "check-data": ["--root", str(place), f"one={place}/one", f"two={place}/two"],
        "check-data none": ["--root", str(broken)],
        "doctor": ["--root", str(place)],
        "download": [NAMES[3], "--root", str(place)],
        "run": [f"{place}/main.py"],
        "autoload": [NAMES[3]],
        "unknown": [NAMES[3]],
    }
    statuses = {}
    for title, words in commands.items():
        name, _, more = title.partition(" ")
        statuses[title] = main([name, *(more.split() if more.startswith("--") else []), *words])
    return statuses


if __name__ == "__main__":
    found = run_all(Path(sys.argv[1]))
    print("statuses")
    for command, status in found.items():
        print(f"{command}: {status}")
