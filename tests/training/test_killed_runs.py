"""A training that is killed or fills the disk goes on to the end that it would have had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.training.checkpoint_store import newest, read_set

# Runs the command line with files limited to some bytes once a checkpoint has been written. Python
# ignores the signal that the system sends then, so the write fails, as on a full disk.
LIMITED = """
import resource, sys
from ddan_torchreid.training import checkpoint_store
from ddan_torchreid import cli
written = checkpoint_store.Keeper.written
def limit(*arguments):
    written(*arguments)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
checkpoint_store.Keeper.written = limit
sys.exit(cli.main(sys.argv[1:]))
"""


def python(*words):
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seed", "kills", "hit"),
    [
        (1, 3, "{'step': 1, 'file': 1, 'time': 1}"),
        pytest.param(2, 50, "{'step': 17, 'file': 17, 'time': 16}", marks=pytest.mark.slow),
    ],
)
def test_killed_within_a_step_within_a_write_and_at_a_time(small_root, tmp_path, seed, kills, hit):
    done = python("-m", "tests.killed_runs", small_root, tmp_path, seed, kills)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.splitlines()[-1].startswith(hit)


def test_on_a_full_disk_the_checkpoint_before_is_whole(words, tmp_path):
    folder = tmp_path / "log"
    words = [*words, "train.max_epoch", "2", "data.save_dir", str(folder)]
    done = python("-c", LIMITED, *words)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("ddan-torchreid:")]
    assert "model.pth.tar-2 cannot be written: " in line
    assert "File too large" in line
    assert newest(folder).name == "model.pth.tar-1"
    assert set(read_set(newest(folder))) == {"model", "discriminator", "identity_pool"}
    assert list(folder.rglob(".*")) == []
    # With more room the run goes on from there.
    assert main([*words, "--resume"]) == 0
    assert newest(folder).name == "model.pth.tar-2"
