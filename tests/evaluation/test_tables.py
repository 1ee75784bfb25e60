"""The written tables hold what was measured, and the written splits bring it back."""

import csv
import json

import pytest

from ddan_torchreid.evaluation import (
    as_json,
    as_row,
    evaluate_protocol,
    format_table,
    write_results,
)
from tests.evaluation.conftest import build_manager


@pytest.fixture
def small(real_root):
    return build_manager(real_root, ["ilids", "market1501"])


@pytest.fixture
def result(model, small):
    return evaluate_protocol(model, small, splits=3, legacy_metrics=True)


def test_markdown(result):
    lines = format_table(result).splitlines()
    head, _, ilids, market, mean = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]
    )
    assert head[:3] == ["target", "splits", "rank-1"]
    assert head[-1] == "legacy mAP"
    target = result.targets["ilids"]
    rank1, std = 100 * target.mean.rank1, 100 * target.std["rank-1"]
    assert ilids[:3] == ["ilids", "3", f"{rank1:.1f} ± {std:.1f}"]
    assert market[:3] == ["market1501", "1", f"{100 * result.scores['market1501'].rank1:.1f}"]
    assert mean[0] == "mean"
    assert mean[2].startswith(f"{100 * result.mean['rank-1']:.1f} ± ")
    assert "ranks 2 and 6" in lines[6]
    assert len({len(line) for line in lines[:5]}) == 1


def test_files(result, tmp_path):
    write_results(result, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content == as_json(result)
    assert content["targets"]["market1501"]["std"]["rank-1"] is None
    assert content["targets"]["ilids"]["sha256"] == result.targets["ilids"].splits.sha256
    assert content["images"] == result.images
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["target"], row["split"]) for row in rows] == [
        *(("ilids", split) for split in ("1", "2", "3", "mean", "std")),
        *(("market1501", split) for split in ("own", "mean", "std")),
        *(("all", split) for split in ("mean", "std")),
    ]
    for row, scores in zip(rows, result.targets["ilids"].scores, strict=False):
        assert {key: float(row[key]) for key in as_row(scores)} == as_row(scores)
    markdown = (tmp_path / "results.md").read_text()
    assert format_table(result) in markdown
    assert "| ilids      | 3     | 60    | 60      |" in markdown


def test_splits_that_were_written_give_the_same_figures(result, model, small, tmp_path):
    write_results(result, tmp_path)
    again = evaluate_protocol(
        model, small, splits=10, seed=7, splits_from=str(tmp_path / "splits"), legacy_metrics=True
    )
    assert as_json(again) == as_json(result)
    with pytest.raises(FileNotFoundError, match="no splits of ilids"):
        evaluate_protocol(model, small, splits_from=str(tmp_path))
