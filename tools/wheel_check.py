"""Trains, evaluates and extracts, also with the shipped weights, as installed by `make test-wheel`.

    python -I wheel_check.py FOLDER

FOLDER is empty. The flag keeps this script's own folder, and so the repository, off the path.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import ddan_torchreid

SIZE = (64, 32)  # height, width
COMMAND = Path(sys.executable).with_name("ddan-torchreid")


def write_domain(folder: Path, seed: int) -> None:
    """Four identities for training and four for testing, each a noisy colour, in two cameras."""
    rng = np.random.default_rng(seed)
    for pid in range(1, 9):
        colour = rng.integers(40, 215, 3)
        for camera, shot in ((1, 0), (1, 1), (2, 2), (2, 3)):
            part = "query" if shot == 0 else "bounding_box_test"
            part = "bounding_box_train" if pid <= 4 else part
            pixels = np.clip(colour + rng.normal(0, 25, (*SIZE, 3)), 0, 255).astype(np.uint8)
            file = folder / part / f"{pid:04d}_c{camera}_{shot}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)


def run(*words: str) -> str:
    """What a command of ``ddan-torchreid`` prints; ends where it fails."""
    print("ddan-torchreid", *words, flush=True)
    done = subprocess.run([COMMAND, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nended with status {done.returncode}")
    return done.stdout


def main(folder: Path) -> None:
    """Runs the commands and checks what they leave."""
    place = Path(ddan_torchreid.__file__).parent
    assert place.parent.name == "site-packages", f"imported from {place}"
    domains = ("north", "south", "east")
    for seed, name in enumerate(domains):
        write_domain(folder / name, seed)
    data = [word for name in domains for word in ("--dataset", f"{name}={folder / name}")]
    config = [
        *("--config-file", "ddan.yaml", *data, "-s", "north", "south", "-t", "east"),
        *("ddan.central_domain", "north", "ddan.top_k", "2", "ddan.similarity_start_epoch", "0"),
        *("model.pretrained", "false", "data.height", str(SIZE[0]), "data.width", str(SIZE[1])),
        *("data.workers", "1", "data.save_dir", str(folder / "log"), "use_gpu", "false"),
        *("train.batch_size", "16", "train.max_epoch", "1", "train.print_freq", "1"),
        *("data.combineall", "false"),
    ]
    log = run("train", *config)
    assert "[1/1][2/2]" in log, log
    weights = str(folder / "log" / "model" / "model.pth.tar-1")
    assert "Rank-1" in run("evaluate", *config, "--weights", weights)
    for named, height in ((["--weights", weights], SIZE[0]), ([], 128)):
        features = folder / "features.npz"
        extract = ["extract", str(folder / "east"), *named, "-o", str(features), "--device", "cpu"]
        assert run(*extract).startswith("Weights: ") is not bool(named)
        with np.load(features) as table:
            assert table["features"].shape == (32, 1280)
            assert table["height"] == height
            np.testing.assert_allclose(np.linalg.norm(table["features"], axis=1), 1, rtol=1e-4)
    print(f"The wheel in {place} trains, evaluates and extracts.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
