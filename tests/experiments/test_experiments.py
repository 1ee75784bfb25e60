"""Every experiment from the command line, at its smallest, with trained runs shared among them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.data import rendered
from ddan_torchreid.experiments import processes, records
from tests.experiments.commands import KilledError, experiment, killed_in_the_middle, of

# Of Figure 3 as few as show what k and tau do.
ROWS = {"figure3": "k-0,k-4,tau-2e-05,tau-0.002"}
COUNTS = {
    "table1": 4,
    "table2": 2,
    "table3": 6,
    "table4": 2,
    "table5": 4,
    "figure2": 4,
    "figure3": 4,
    "sampler": 4,
}


@pytest.fixture(scope="module")
def output(tiny_root, tmp_path_factory):
    """All experiments in one folder, each of them killed once and started again."""
    folder = tmp_path_factory.mktemp("experiments")
    for name in COUNTS:
        flags = ["--rows", ROWS[name]] if name in ROWS else []
        with pytest.MonkeyPatch.context() as patch:
            killed_in_the_middle(patch)
            with pytest.raises(KilledError):
                experiment(name, tiny_root, folder, *flags)
        assert experiment(name, tiny_root, folder, *flags) == 0
    return folder


@pytest.mark.parametrize("name", COUNTS)
def test_each_experiment_has_its_records_and_tables(output, tiny_root, name):
    found = of(output, name)
    assert len(found) == COUNTS[name]
    for record in found:
        assert record["sources"] == list(rendered.SOURCES)
        assert list(record["scores"]) == list(rendered.TARGETS)
        assert record["curves"]["epoch"] == [1, 2]
        assert record["config"]["data"]["height"] == 32
        assert {"distances", "domain_probe", "central_probe", "neighbours"} <= set(record)
        assert len(record["curves"]["gradient_loss_id"]) == 2
        # Records are published: nothing in them says where this machine keeps its files.
        assert not any(str(place) in json.dumps(record) for place in (output, tiny_root))
        assert record["versions"].keys() == {
            "ddan_torchreid", "torch", "torchvision", "torchreid", "numpy", "python",
        }  # fmt: skip
        assert record["git"].keys() == {"commit", "dirty"}
        assert record["options"]["scale"] == "tiny"
        assert record["finished"].endswith("+00:00")
        assert (output / record["run"] / "weights.pth.tar").is_file()
        assert record["run"].endswith(f"{record['digest']}-seed1")
    text = (output / f"{name}.md").read_text()
    assert text.startswith("# ")
    # The row of Table 2 has no scores to print.
    if name != "table2":
        for record in found:
            assert record["label"] in text
    assert (output / f"{name}.csv").read_text().startswith("row,label,target,metric,mean")


def test_a_configuration_is_trained_once_for_all_experiments(output):
    lines = records.read(output)
    assert len(lines) == sum(COUNTS.values())
    folders = [folder for folder in (output / "runs").iterdir() if folder.is_dir()]
    assert len(folders) == len({record["run"] for record in lines}) == 15
    ddan = {
        json.dumps(record["scores"])
        for record in lines
        if (record["experiment"], record["row"])
        in {("table1", "ddan"), ("table5", "similarity"), ("figure3", "tau-0.002")}
    }
    assert len(ddan) == 1


def test_the_experiments_have_what_their_figures_need(output):
    baseline, pairwise = of(output, "table2")
    distances = baseline["distances"]
    assert distances["names"] == list(rendered.SOURCES)
    matrix = np.array(distances["matrix"])
    np.testing.assert_array_equal(matrix, matrix.T)
    assert distances["central"] == distances["names"][matrix.sum(1).argmin()]
    assert len(pairwise["distances"]["to_baseline"]) == 5
    for record in of(output, "figure2"):
        with np.load(output / record["embedding"]["file"]) as file:
            assert file["xy"].shape == (len(file["domain"]), 2)
            assert set(file["domain"]) == set(range(5))
        assert record["distances"]["names"] == list(rendered.SOURCES)
    without, trained = of(output, "table4")
    assert "triples" not in without
    assert trained["triple_counts"]["constructed"] is True
    for triple in trained["triples"]:
        assert (output / triple["anchor"]).is_file()
    assert [record["parameter"] for record in of(output, "figure3")] == [
        {"name": "top_k", "value": 0}, {"name": "top_k", "value": 4},
        {"name": "temperature", "value": 2e-05}, {"name": "temperature", "value": 0.002},
    ]  # fmt: skip
    for record in of(output, "table1"):
        assert (output / record["ranking_picture"]).is_file()


def test_what_is_finished_is_not_repeated(output, tiny_root, monkeypatch, capsys):
    def never(job, report):
        raise AssertionError("trained again")

    monkeypatch.setattr(processes, "train", never)
    before = (output / records.FILE).read_bytes()
    table = (output / "table5.md").read_text()
    assert experiment("table5", tiny_root, output) == 0
    assert (output / records.FILE).read_bytes() == before
    assert (output / "table5.md").read_text() == table
    assert (
        "4 runs on rendered domains, 4 of them finished before; 0 to train"
        in capsys.readouterr().out
    )


def test_a_run_killed_in_the_middle_is_the_only_one_to_go_on(
    output, tiny_root, tmp_path, monkeypatch
):
    """As if the process ended within the second row's second epoch, and then again at the end."""
    trained = 0.0
    whole, parts = processes.train, []

    def until_killed(job, report):
        def step(part):
            nonlocal trained
            trained += part
            if trained > 3.5:
                raise KilledError
            report(part)

        whole(job, step)

    flags = ["--rows", "triplet,similarity"]
    monkeypatch.setattr(processes, "train", until_killed)
    with pytest.raises(KilledError):
        experiment("table5", tiny_root, tmp_path, *flags)
    assert [record["row"] for record in records.read(tmp_path)] == ["triplet"]

    def counted(job, report):
        whole(job, lambda part: (parts.append(part), report(part)))

    def full_disk(folder, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(processes, "train", counted)
    with monkeypatch.context() as patch:
        patch.setattr(records, "append", full_disk)
        assert experiment("table5", tiny_root, tmp_path, *flags) == 1
    assert parts[0] == pytest.approx(1)  # the first epoch came from the checkpoint
    parts.clear()
    assert experiment("table5", tiny_root, tmp_path, *flags) == 0
    assert parts == []  # trained, and only its line was missing
    expected = {record["row"]: record["scores"] for record in of(output, "table5")}
    for record in records.read(tmp_path):
        assert record["scores"] == expected[record["row"]]


@pytest.mark.parametrize(
    ("jobs", "rows"),
    [
        (1, ["triplet", "similarity"]),
        pytest.param(2, ["identity", "triplet", "alignment", "similarity"], marks=pytest.mark.slow),
    ],
)
def test_a_killed_process_leaves_a_folder_that_goes_on(output, tiny_root, tmp_path, jobs, rows):
    """SIGKILL when the first line is there, in one process and with two training processes."""
    words = [
        *("experiment", "table5", "--scale", "tiny", "--root", str(tiny_root)),
        *("--output", str(tmp_path), "--domains", "rendered", "--jobs", str(jobs)),
        *("--rows", ",".join(rows)),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "ddan_torchreid", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not records.read(tmp_path) and process.poll() is None:
        time.sleep(0.05)
    children = _children(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = records.read(tmp_path)
    assert 1 <= len(before) < len(rows)
    assert children or jobs == 1
    # Training processes notice that their parent is gone.
    while any(Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.05)
    assert main(words) == 0
    lines = records.read(tmp_path)
    assert lines[: len(before)] == before
    assert len(lines) == len(rows)
    # Whatever happened in between, the scores are those of the other folder.
    expected = {record["row"]: record["scores"] for record in of(output, "table5")}
    assert {record["row"]: record["scores"] for record in lines} == {
        row: expected[row] for row in rows
    }


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
