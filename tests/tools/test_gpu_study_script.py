"""gpu_study.sh from a pack to records, on a data root of nobody's photographs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import photographs
from experiments.gpu_study import pack
from PIL import Image

from tests import miniatures

REPO = Path(__file__).parents[2]
SCRIPT = REPO / "tools" / "experiments" / "gpu_study.sh"
TINY = [
    *("data.targets", "['ilids']", "data.height", "32", "data.width", "16"),
    *("model.name", "ddan_mobilenetv2_x0_35", "model.pretrained", "False"),
    *("train.batch_size", "32"),
]


def write_images(folder, names):
    """Noise, another in each file."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(str(folder)))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (64, 32, 3), np.uint8)).save(folder / name)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """What `prepare` leaves, but for the wheels, with two of the study's data sets whole."""
    root, folder = tmp_path / "root", tmp_path / "study"
    miniatures.write_market1501(root)
    miniatures.write_ilids(root)
    images = [f"{person:04d}{n:03d}.png" for person in range(1, 9) for n in range(1, 5)]
    write_images(root / "cuhk01" / "campus", images)
    for name in (*photographs.OWN, *photographs.VALIDATION):
        write_images(root / "own" / name, images)
        lines = [f"{name}/{image},{image[:4]},{image[6]}" for image in images]
        text = "\n".join(["path,pid,camid", *lines]) + "\n"
        (root / "own" / f"{name}.csv").write_text(text)
    monkeypatch.setenv("TORCH_HOME", str(root / "torch_home"))
    pack.cached_file().parent.mkdir(parents=True)
    torch.save({}, pack.cached_file())
    monkeypatch.setattr(pack, "TARGETS", ("ilids/i-LIDS_Pedestrian/Persons",))
    monkeypatch.setattr(pack, "PLAIN", ())
    folder.mkdir()
    pack.write(root, folder / "pack.zip")
    for name in ("ddan_torchreid", "tools", "configs"):
        shutil.copytree(REPO / name, folder / "repo" / name)
    (folder / "commit").write_text("0123abc\n")
    return folder


@pytest.mark.slow
def test_two_runs_and_one_on_train_splits_from_a_pack_to_their_records(study, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    places = {"PYTHON": sys.executable, "STUDY_BASE": tmp_path / "base", "OUT": out}
    places["STUDY_WORK"] = tmp_path / "work"
    environment = os.environ | {name: str(place) for name, place in places.items()}

    def script(*words):
        done = subprocess.run(
            ["bash", SCRIPT, *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    only = ["--epochs", "2", "--steps", "2", "--only", "^(triplet|alignment|held_out_triplet)/1$"]
    for _ in range(2):
        script("start", str(study), *only, "--renderers", "1", "--set", *TINY)
        printed = script("wait", "600")
        script("stop")
        assert "3 recorded, 0 running, 0 waiting, 0 failed" in printed
        assert printed.splitlines()[-1] == "ended"
    # The second start has found all of them.
    lines = (out / "results.jsonl").read_text().splitlines()
    records = {record["row"]: record for record in map(json.loads, lines)}
    assert len(lines) == len(records) == 3
    baseline, aligned, held_out = (
        records[row] for row in ("triplet", "alignment", "held_out_triplet")
    )
    assert aligned["config"]["ddan.central_domain"] == baseline["distances"]["central"]
    assert baseline["steps"] == aligned["steps"] == 4
    assert baseline["git"]["commit"] == "0123abc"
    assert set(baseline["scores"]) == {"ilids"}
    assert set(held_out["held_out"]) >= {"market1501"}
    assert held_out["counts"]["sources"]["market1501"][0] == 8
    assert baseline["counts"]["sources"]["market1501"][0] == 14
    assert (out / "logs.tar.gz").stat().st_size > 0
