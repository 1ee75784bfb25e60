"""The demonstration as a newcomer gets it, with few identities and one epoch."""

import json

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.data import rendered
from ddan_torchreid.experiments.demo import format_table


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "runs"
    assert main(["demo", "--quick", "--output", str(folder)]) == 0
    return folder


def test_it_writes_what_it_promises(output):
    table = json.loads((output / "results.json").read_text())
    assert list(table) == ["baseline", "DDAN"]
    for results in table.values():
        assert list(results) == [*rendered.TARGETS, "mean"]
        for target, row in results.items():
            assert 0 <= row["mAP"] <= 1
            assert row["rank-1"] <= row["rank-5"] <= row["rank-10"] <= 1, target
        for column in ("rank-1", "rank-5", "rank-10", "mAP"):
            over_targets = np.mean([results[name][column] for name in rendered.TARGETS])
            assert results["mean"][column] == pytest.approx(over_targets)
    text = (output / "results.md").read_text()
    assert format_table(table, list(rendered.TARGETS)) in text
    assert "steps of" in text
    for row in ("baseline", "ddan"):
        assert (output / row / "model" / "model.pth.tar-1").is_file()
        assert "=> Start training" in (output / row / "train.log").read_text()
    assert not (output / "baseline" / "discriminator").exists()
    assert (output / "ddan" / "identity_pool" / "model.pth.tar-1").is_file()


def test_both_models_see_the_same_batches_from_the_same_weights(output):
    """The rows differ by the terms alone: the first step has the same identity loss."""
    first = {}
    for row in ("baseline", "ddan"):
        lines = (output / row / "train.log").read_text().splitlines()
        (first[row], *_) = (line for line in lines if line.startswith("epoch: [1/1][1/"))
    losses = {row: line.split(" id ")[1].split()[0] for row, line in first.items()}
    assert losses["baseline"] == losses["ddan"]


def test_the_ranking_picture_shows_right_and_wrong_matches(output):
    picture = np.asarray(Image.open(output / "ranking.png").convert("RGB")).astype(int)
    red, green, blue = picture.reshape(-1, 3).T
    assert ((green > 200) & (red < 60) & (blue < 60)).any()
    assert ((red > 200) & (green < 60) & (blue < 60)).any()


def test_the_table_is_in_percent():
    row = {"rank-1": 0.123, "rank-5": 0.5, "rank-10": 1.0, "mAP": 0.0}
    table = {"baseline": {"rendered_snow": row, "mean": row}}
    lines = format_table(table, ["rendered_snow"]).splitlines()
    assert lines[2] == "| snow | baseline | 12.3 | 50.0 | 100.0 | 0.0 |"
