"""A training that is killed at any moment goes on to the very end that it would have had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def kill(root, folder, seed, kills):
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_runs", root, folder, str(seed), str(kills)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    print(done.stdout)
    return done.stdout.splitlines()[-1]


def test_three_kills(small_root, tmp_path):
    """One within a step, one within a write, one at a time."""
    summary = kill(small_root, tmp_path, seed=1, kills=3)
    assert summary.startswith("{'step': 1, 'file': 1, 'time': 1}")


@pytest.mark.slow
def test_fifty_kills(small_root, tmp_path):
    summary = kill(small_root, tmp_path, seed=2, kills=50)
    assert summary.startswith("{'step': 17, 'file': 17, 'time': 16}")
