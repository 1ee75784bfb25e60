"""A disk that fills up during training: one line, status 1, and the checkpoint before is whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from ddan_torchreid.training.checkpoint_store import newest, read_set
from tests import small_data

REPOSITORY = Path(__file__).parents[2]
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
# Runs it on a small disk of its own, and copies what is on it afterwards.
SMALL_DISK = """
mount -t tmpfs -o size={size} tmpfs "$1" || exit 99
folder="$1" copy="$2"; shift 2
"$@" data.save_dir "$folder/log"
status=$?
cp -r "$folder/log" "$copy"
exit $status
"""


@pytest.fixture
def words(words):
    """Arguments of a training of three epochs that takes seconds."""
    return [*words, "train.max_epoch", "3", "ddan.checkpoint_every_minutes", "1000"]


def run(command):
    return subprocess.run(
        command, capture_output=True, text=True, cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def check(done, folder, reason):
    """One line of error, the first epoch's checkpoint, and no unfinished files."""
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ddan-torchreid:")]
    assert len(lines) == 1
    assert "model.pth.tar-2 cannot be written: " in lines[0]
    assert reason in lines[0]
    found = newest(folder)
    assert found.name == "model.pth.tar-1"
    assert set(read_set(found)) == {"model", "discriminator", "identity_pool"}
    assert list(folder.rglob(".*")) == []


def test_a_limit_on_file_sizes(words, tmp_path):
    done = run([sys.executable, "-c", LIMITED, *words, "data.save_dir", str(tmp_path / "log")])
    check(done, tmp_path / "log", "File too large")


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs Linux's unshare")
def test_a_disk_too_small_for_two_checkpoints(words, small_engine, tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a disk of one's own")
    # How large a checkpoint is: of the same network, optimiser and identities.
    engine = small_engine("data.sources", words[words.index("data.sources") + 1])
    engine.run(max_epoch=1, save_dir=str(tmp_path / "measured"), print_freq=100)
    files = (tmp_path / "measured").glob("*/model.pth.tar-1")
    size = int(1.6 * sum(path.stat().st_size for path in files))
    (tmp_path / "disk").mkdir()
    done = run(
        [
            *("unshare", "-rm", "sh", "-c", SMALL_DISK.format(size=size), "sh"),
            *(str(tmp_path / "disk"), str(tmp_path / "copy")),
            *(sys.executable, "-m", "ddan_torchreid", *words),
        ]
    )
    if done.returncode == 99:
        pytest.skip("this system lets nobody mount a disk of one's own")
    check(done, tmp_path / "copy", "No space left on device")
    # With more room the run goes on from there.
    settings = schema.get_default_config()
    schema.merge_file(settings, small_data.CONFIG)
    pairs = words[words.index("--config-file") + 2 :]
    schema.merge_options(settings, [*pairs, "model.resume", "auto"])
    settings.data.save_dir = str(tmp_path / "copy")
    builder.build(settings).run(**schema.arguments(settings, "run"))
    assert newest(tmp_path / "copy").name == "model.pth.tar-3"
