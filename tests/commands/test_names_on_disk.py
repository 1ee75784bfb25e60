"""Names that are no plain text end no command, whatever the terminal can show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# 1: something was wrong with the data; 2: with what was typed. All else is 0.
STATUSES = {
    "train again": 2,
    "train no text": 2,
    "train nothing": 2,
    "extract": 1,  # a file is no image
    "convert": 2,
    "check-data none": 2,
    "doctor": 1,  # no published dataset is there
    "download": 2,
    "run": 2,
    "autoload": 2,
    "unknown": 2,
}
CONSOLES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize("console", ["cp1252", pytest.param("C", marks=pytest.mark.slow)])
def test_every_command_writes_every_name(console, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.every_command", tmp_path],
        cwd=Path(__file__).parents[2], capture_output=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **CONSOLES[console]},
    )  # fmt: skip
    errors = ended.stderr.decode(errors="replace")
    assert ended.returncode == 0, errors
    assert "Traceback" not in errors
    assert "codec" not in errors
    printed = ended.stdout.decode(errors="replace").splitlines()
    found = dict(line.rsplit(": ", 1) for line in printed[printed.index("statuses") + 1 :])
    wrong = {name: status for name, status in found.items() if status != "0"}
    assert wrong == {name: str(status) for name, status in STATUSES.items()}, errors
    assert rb"\udcff\udcfe" in ended.stdout
    (first, *_) = sorted((tmp_path / "log").glob("train.log-*"))
    assert rb"\udcff\udcfe" in first.read_bytes()
    first.read_text(encoding="utf-8")
