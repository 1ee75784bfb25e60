"""A loading worker that the machine ends is said in one line."""

import errno
import os
import re
import signal

import pytest
import torch
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.data import reading
from ddan_torchreid.data.lost_workers import FILES, GONE, SHARED, loss_of_workers
from ddan_torchreid.inference import features
from tests import github_layout
from tests.inference.exported import checkpoint
from tests.small_data import CONFIG


def dying(original, number, after=0):
    """A reader that ends its process when the first worker comes to its n-th image."""
    count = 0

    def read(*arguments):
        nonlocal count
        worker = torch.utils.data.get_worker_info()
        count += worker is not None and worker.id == 0
        if count > after:
            os.kill(os.getpid(), number)
        return original(*arguments)

    return read


@pytest.mark.parametrize("way", ["train", "run"])
def test_a_killed_worker_of_a_training_is_one_line(real_root, way, tmp_path, monkeypatch, capsys):
    words = [
        *("--config-file", CONFIG, "-s", "market1501", "dukemtmcreid", "-t", "market1501"),
        *("--root", str(real_root), "ddan.central_domain", "market1501", "train.batch_size", "16"),
        *("data.save_dir", str(tmp_path / "log"), "train.max_epoch", "2", "data.workers", "2"),
    ]
    resume = {"train": ["--resume"], "run": ["model.resume", "auto"]}[way]
    start = [way, *([str(github_layout.write_scripts(tmp_path / "scripts"))] * (way == "run"))]
    with monkeypatch.context() as patch:
        read = dying(reading.read_pixels, signal.SIGKILL, after=20)
        patch.setattr(reading, "read_pixels", read)
        assert main([*start, *words]) == 1
    line, *others = capsys.readouterr().err.splitlines()
    assert not others, (line, others)
    # The second where its end broke the passing on of an image, before torch knew of it.
    what = r"a loading worker \(process \d+\) was killed, as the system does when memory is full"
    says = rf"ddan-torchreid: failed: ({what}|{GONE}); write a smaller data\.workers; "
    says += ".* goes on from the last checkpoint"
    assert re.fullmatch(says, line), line
    assert resume[0] in line
    if way == "train":
        assert main([*start, *words, *resume]) == 0


def test_a_worker_without_shared_memory_is_one_line(tmp_path, monkeypatch, capsys):
    weights = checkpoint(tmp_path / "weights")
    for number in range(4):
        Image.new("RGB", (16, 32)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(features, "read_image", dying(features.read_image, signal.SIGBUS))
    flags = ["--weights", str(weights), "--batch-size", "2", "--workers", "1"]
    assert main(["extract", str(tmp_path), *flags, "-o", str(tmp_path / "f.npz")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "was ended by a bus error; " + SHARED in line
    assert line.endswith("; write a smaller --workers")
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"),
         "a loading worker (process 7, 8) ended unexpectedly"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault. "),
         "a loading worker (process 7) ended unexpectedly (Segmentation fault)"),
        (RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nTraceback\n"
                      "RuntimeError: unable to write to file </torch_1_2>: No space left on device "
                      "(28)"), SHARED),
        (RuntimeError("unable to open shared memory object </torch_1_2> in read-write mode: Too "
                      "many open files (24)"), FILES),
        (RuntimeError("received 0 items of ancdata"), FILES),
        (MemoryError("Caught MemoryError in DataLoader worker process 1.\nTraceback\nMemoryError"),
         "a loading worker had no memory left"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"),
         "the memory is full: no loading worker starts"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), GONE),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), GONE),
        (RuntimeError("[1.2.3.4]:29500: Connection reset by peer"), ""),  # of another process
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), ""),
        (ValueError("a.png is no readable image: it is empty"), ""),
        (OSError(errno.ENOMEM, "model.pth.tar-1 cannot be read: ..."), ""),
    ],
)  # fmt: skip
def test_what_torch_says_of_it_is_understood(error, says):
    assert loss_of_workers(error) == says


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(_):
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr("ddan_torchreid.commands.doctor.run", fail)
    with pytest.raises(RuntimeError, match="tensor a"):
        main(["doctor"])
