"""The commands as they are typed: torchrun --nproc-per-node 2 -m ddan_torchreid train ..."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import small_data
from tests.other_run import OtherRun

REPOSITORY = Path(__file__).parents[2]
SECONDS = 180


def torchrun(*words, processes=2):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", str(processes), "-m", "ddan_torchreid", *map(str, words)),
        ],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_words(root, output, *options):
    return [
        *("train", *small_data.flags(root), "--config-file", small_data.CONFIG),
        *("data.save_dir", output, "data.height", "32", "data.width", "16"),
        *("train.max_epoch", "1", *options),
    ]


def our_lines(text):
    return [line for line in text.splitlines() if line.startswith("ddan-torchreid: ")]


def test_train_in_two_processes(small_root, tmp_path):
    process = torchrun(*train_words(small_root, tmp_path / "log", "data.workers", "1"))
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    steps = re.findall(r"epoch: \[1/1\]\[(\d+)/(\d+)\]", output)
    assert [int(step) for step, _ in steps] == list(range(1, int(steps[0][1]) + 1))
    assert output.count("** Results **") == 2
    assert output.count("Checkpoint saved to") == 2  # before the test, and with its scores
    names = {path.name for path in (tmp_path / "log/model").iterdir()}
    assert names == {"model.pth.tar-1", "model-best.pth.tar"}
    assert len(list((tmp_path / "log").glob("train.log-*"))) == 1
    assert len(list((tmp_path / "log").glob("events.*"))) == 1


@pytest.mark.slow
def test_what_is_wrong_is_reported_once(small_root, tmp_path):
    other = OtherRun(tmp_path / "log")
    for options, says in (
        (train_words(small_root, tmp_path, "train.batch_size", "20"), "write train.batch_size 16"),
        (train_words(small_root, tmp_path / "log"), f"in use by another run, process {other.pid};"),
        # Before there is a group.
        (["train", "--config-fil", small_data.CONFIG], "--config-fil"),
        (["doctor"], "doctor"),
    ):
        process = torchrun(*options)
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode != 0
        (line,) = our_lines(errors)
        assert says in line
    other.end()


@pytest.mark.slow
def test_evaluate_in_three_processes(small_root, tmp_path):
    words = train_words(small_root, tmp_path / "log")
    assert torchrun(*words).wait(SECONDS) == 0
    weights = ("--weights", tmp_path / "log/model/model.pth.tar-1")
    process = torchrun("evaluate", *words[1:], *weights, processes=3)
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert output.count("** Results **") == 2


def pid_of_process(rank):
    """Of the processes of this test, by the environment that torchrun gave them."""
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        ours = f"RANK={rank}".encode() in environment and b"ddan_torchreid" in command
        if ours and f"DDAN_TEST={os.getpid()}".encode() in environment:
            return int(folder.name)
    raise AssertionError(f"there is no process {rank}")


def wait_for_a_step(process):
    for line in process.stdout:
        if "epoch: [1/" in line:
            return
    raise AssertionError(process.stderr.read())


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all(small_root, tmp_path, monkeypatch, rank):
    monkeypatch.setenv("DDAN_TEST", str(os.getpid()))
    process = torchrun(*train_words(small_root, tmp_path, "train.max_epoch", "500"))
    wait_for_a_step(process)
    os.kill(pid_of_process(rank), signal.SIGKILL)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=SECONDS)
    assert time.monotonic() - begin < 60
    assert process.returncode != 0
    # torchrun's own report comes after it.
    (line,) = our_lines(errors)
    assert "another process of this run ended" in line


@pytest.mark.slow
def test_sigterm_saves_and_training_goes_on(small_root, tmp_path):
    words = train_words(small_root, tmp_path / "log", "train.max_epoch", "500")
    process = torchrun(*words)
    wait_for_a_step(process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=SECONDS)
    assert output.count("Stopped by SIGTERM") == 1
    process = torchrun(*words, "--resume", processes=3)
    output = process.stdout.readline()
    while "epoch: [" not in output:
        output += process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert "Resumed from" in output
