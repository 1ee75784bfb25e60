"""Studies from the command line at their smallest: killed, started again, refused."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import experiment
import pytest
from experiments import follow, records, runner

ROWS = ("--rows", "triplet,similarity", "--seeds", "2")
STEPS = 14


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """A study that nothing has interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    assert study("table5", folder, *ROWS) == 0
    return folder


class KilledError(Exception):
    """Ends a study as nothing in the tools does."""


def killed_after(steps, monkeypatch):
    """Ends what follows after so many training steps; returns a list with a None for each step."""
    step, done = follow.EpochMeans._forward_backward, []

    def count(self, data):
        if len(done) == steps:
            raise KilledError
        done.append(None)
        return step(self, data)

    monkeypatch.setattr(follow.EpochMeans, "_forward_backward", count)
    return done


def results(folder):
    """What must not depend on interruptions, by row and seed."""
    kept = ("scores", "curves", "steps", "held_out", "distances", "digest")
    return {
        (each["row"], each["seed"]): {key: each[key] for key in kept}
        for each in records.read(folder)
    }


def test_a_record_says_what_was_run_and_where(finished, tiny_root):
    found = records.read(finished)
    assert [(each["row"], each["seed"]) for each in found] == [
        ("triplet", 1), ("similarity", 1), ("triplet", 2), ("similarity", 2),
    ]  # fmt: skip
    for record in found:
        assert record["scores"]["ilids"].keys() >= {"rank-1", "rank-5", "rank-10", "mAP"}
        assert record["steps"] == STEPS
        assert record["curves"]["epoch"] == [1, 2]
        assert record["counts"] == {
            "sources": {"market1501": [8, 47], "cuhksysu": [40, 100]},
            "targets": {"ilids": [60, 60]},
        }  # fmt: skip
        # Its query and gallery were not trained on; CUHK-SYSU has none.
        assert list(record["held_out"]) == ["market1501"]
        assert record["config"]["data.height"] == 32
        assert record["versions"].keys() > {"torch", "python", "ddan_torchreid"}
        # Records are published: nothing in them says where this machine keeps its files.
        text = json.dumps(record)
        assert str(finished) not in text
        assert str(tiny_root) not in text
    assert found[0]["curves"].get("loss_similarity") is None
    assert found[1]["curves"]["loss_similarity"][0] is None
    assert found[1]["curves"]["loss_similarity"][1] > 0
    assert all(1 <= channels <= 1280 for channels in found[1]["curves"]["pool_largest_channels"])


def test_a_finished_study_is_not_repeated(finished, study, monkeypatch, capsys):
    killed_after(0, monkeypatch)
    before = (finished / records.FILE).read_bytes()
    assert study("table5", finished, *ROWS) == 0
    assert "4 runs, 4 of them finished before; 0 to do" in capsys.readouterr().out
    assert (finished / records.FILE).read_bytes() == before


def test_rows_of_another_table_share_its_runs_and_are_compared(finished, study, monkeypatch):
    """Table 2 has the baseline; only its other row is trained."""
    done = killed_after(STEPS, monkeypatch)
    folder = finished.parent / "shared"
    shutil.copytree(finished, folder)
    assert study("table2", folder, "--seeds", "1") == 0
    assert len(done) == STEPS
    baseline, pairwise = (each for each in records.read(folder) if each["experiment"] == "table2")
    assert baseline["run"] == records.read(folder)[0]["run"]
    assert "moved" not in baseline
    assert pairwise["moved"].keys() == {"market1501", "cuhksysu"}
    assert min(pairwise["moved"].values()) > 0
    triples = pairwise["triples"]
    assert 0 <= triples["mended"] + triples["broken"] <= triples["all"]


@pytest.mark.parametrize("steps", [STEPS // 2 + 1, STEPS + 2])
def test_a_killed_study_goes_on_where_it_was(finished, study, tmp_path, monkeypatch, steps):
    with monkeypatch.context() as patch:
        killed_after(steps, patch)
        with pytest.raises(KilledError):
            study("table5", tmp_path, *ROWS)
    assert len(records.read(tmp_path)) == steps // STEPS
    done = killed_after(4 * STEPS, monkeypatch)
    assert study("table5", tmp_path, *ROWS) == 0
    # A run that was killed goes on from the end of its last epoch.
    repeated = steps % STEPS % (STEPS // 2)
    assert len(done) == 4 * STEPS - steps + repeated
    assert results(tmp_path) == results(finished)


def test_a_torn_last_line_is_written_again(finished, study, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(finished, folder)
    whole = (folder / records.FILE).read_bytes()
    (folder / records.FILE).write_bytes(whole[:-100])
    assert study("table5", folder, *ROWS) == 0
    assert results(folder) == results(finished)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_process_leaves_no_other_and_a_folder_that_goes_on(
    finished, words, study, tmp_path, jobs
):
    tool = Path(experiment.__file__)
    command = words("table5", "--output", str(tmp_path), "--jobs", jobs, *ROWS)
    process = subprocess.Popen(
        [sys.executable, str(tool), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not records.read(tmp_path) and process.poll() is None:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert children or jobs == "1"
    while any(Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.05)
    assert 1 <= len(records.read(tmp_path)) < 4
    assert study("table5", tmp_path, "--jobs", jobs, *ROWS) == 0
    assert results(tmp_path) == results(finished)


def test_rescoring_measures_anew_and_says_who_trained(finished, study, tmp_path, monkeypatch):
    folder = tmp_path / "rescored"
    shutil.copytree(finished, folder)
    expected = records.read(folder)
    earlier = {"git": {"commit": "earlier", "dirty": False}}
    lines = [json.dumps(each | earlier | {"scores": {}}) for each in expected]
    (folder / records.FILE).write_text("\n".join(lines) + "\n")
    killed_after(0, monkeypatch)
    assert study("table5", folder, *ROWS, "--rescore") == 0
    for before, after in zip(expected, records.read(folder)[4:], strict=True):
        assert after.pop("rescored")["git"] == before["git"]
        assert after == before | earlier


def test_a_run_that_diverges_has_a_record(study, tmp_path):
    folder = tmp_path / "diverged"
    assert study("table5", folder, *ROWS, "--seeds", "1", "train.lr", "1e15") == 0
    first, second = records.read(folder)
    assert first["scores"] == second["scores"] == {}
    assert "not finite" in first["failed"] or "nan" in first["failed"]


def test_the_central_domain_is_chosen_once_for_all_rows(study, tmp_path, monkeypatch):
    killed_after(0, monkeypatch)
    for _ in range(2):
        with pytest.raises(KilledError):
            study("table5", tmp_path, "--central-domain", "auto")
    chosen = json.loads((tmp_path / "central_domain.json").read_text())
    assert chosen["central"] in chosen["names"] == ["market1501", "cuhksysu"]


def test_two_experiments_do_not_write_to_one_folder(study, tmp_path, capsys):
    with runner.FileLock(tmp_path / runner.LOCK):
        assert study("table5", tmp_path) == 2
    assert "another experiment is running in" in capsys.readouterr().err
    assert not (tmp_path / records.FILE).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tabel5"], "experiment 'tabel5' is unknown; did you mean 'table5'?"),
        (["table5", "--seeds", "0"], "--seeds 0 must be a whole number above 0"),
        (["table5", "--jobs", "0"], "--jobs 0 must be a whole number above 0"),
        (["table5", "--rows", "triplett"], "did you mean 'triplet'?"),
        (["table5", "--config-file", "dan.yaml"], "there is no configuration file 'dan.yaml'"),
        (["table5", "model.resume", "x"], "model.resume is set by the experiment"),
        (["table5", "model.name", "resnet"], "model.name: 'resnet' is unknown"),
        (["table5", "--root", "x"], "is not under the data root"),
        (["photographs", "--root", "x"], "cuhk03p1"),
    ],
)
def test_what_cannot_be_is_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert experiment.main(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("experiment.py: error: ")
    assert message in line
