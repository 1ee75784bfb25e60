"""Experiments that are repeated, with other settings or measures, and those that cannot run."""

import json
import shutil
from pathlib import Path

import pytest

from ddan_torchreid.experiments import records, runner
from tests.experiments.commands import KilledError, experiment, killed_in_the_middle, of


def test_rescoring_measures_anew_and_says_who_trained(tiny_root, tmp_path, monkeypatch, capsys):
    """As if an earlier version had trained the runs, without scores at home."""
    flags = ["--rows", "identity,triplet"]
    assert experiment("table5", tiny_root, tmp_path, *flags) == 0
    expected = records.read(tmp_path)
    earlier = {"git": {"commit": "earlier", "dirty": False}, "finished": "2025-01-01T00:00:00"}
    lines = [{k: v for k, v in each.items() if k != "home"} | earlier for each in expected]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / records.FILE).write_text(text)
    capsys.readouterr()
    # Killed between two runs, it is done once more from the start.
    with monkeypatch.context() as patch:
        killed_in_the_middle(patch)
        with pytest.raises(KilledError):
            experiment("table5", tiny_root, tmp_path, *flags, "--rescore")
    assert experiment("table5", tiny_root, tmp_path, *flags, "--rescore", "--jobs", "2") == 0
    assert "2 of them finished before; 0 to train, 2 to score again" in capsys.readouterr().out
    for before, after in zip(expected, of(tmp_path, "table5"), strict=True):
        again = after.pop("rescored")
        assert again["git"] == before["git"]
        assert again["versions"] == before["versions"]
        assert after == before | earlier
    # A run whose folder is gone is trained again, here and now.
    shutil.rmtree(tmp_path / expected[0]["run"])
    assert experiment("table5", tiny_root, tmp_path, *flags, "--rescore") == 0
    assert "1 to train, 1 to score again" in capsys.readouterr().out
    anew, kept = of(tmp_path, "table5")
    assert anew["git"] == expected[0]["git"]
    assert "rescored" not in anew
    assert kept["git"] == earlier["git"]


def test_another_configuration_is_trained_and_both_are_kept(tiny_root, tmp_path):
    one = ["--rows", "identity", "train.max_epoch", "1"]
    for rate in ("0.003", "0.001", "0.003"):
        assert experiment("table5", tiny_root, tmp_path, *one, "train.lr", rate) == 0
        lines = records.read(tmp_path)
        shown = json.dumps(lines[0 if rate == "0.003" else 1]["scores"]["rendered_snow"]["rank-1"])
        text = (tmp_path / "table5.md").read_text()
        assert f"| L_IDE | {100 * float(shown):.1f} |" in text
    assert len(lines) == 2
    assert lines[0]["digest"] != lines[1]["digest"]


@pytest.mark.slow
def test_a_failure_in_a_training_process_is_one_line(tiny_root, tmp_path, capsys):
    flags = ["--jobs", "2", "--rows", "identity,triplet", "train.batch_size", "4000"]
    assert experiment("table5", tiny_root, tmp_path, *flags) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "ValueError in a training process: 34 identities cannot fill a batch" in line
    log = Path(line.rpartition("; see ")[2])
    assert "Traceback" in log.read_text()


def test_two_experiments_do_not_write_to_one_folder(tiny_root, tmp_path, capsys):
    with runner.FileLock(tmp_path / runner.LOCK):
        assert experiment("table5", tiny_root, tmp_path) == 1
    assert "another experiment is running in" in capsys.readouterr().err
    assert not (tmp_path / records.FILE).exists()
