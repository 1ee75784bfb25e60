"""Bad image files in the sets of a data manager: none hangs, each is named or left out."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torchreid
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.data import rendered
from ddan_torchreid.data.reading import (
    SafeImageDataset,
    UnreadableImageError,
    read_safely,
    skip_unreadable,
)

SOURCES = ["rendered_plaza", "rendered_mall"]
TARGET = "rendered_snow"
BAD = ("truncated", "empty", "text", "directory", "missing", "pipe")

# Reads all images one by one in a process of its own, so that a reader that never ends is a failure
# and not a test run that never ends. Prints the errors of each way to read and each set.
READ_ALL = """
import json, os, sys
import torch, torchreid, ddan_torchreid
from ddan_torchreid.data.reading import read_safely

def errors_of(dataset, workers, method):
    errors, loader = [], torch.utils.data.DataLoader(
        dataset, batch_size=1, num_workers=workers, multiprocessing_context=method or None)
    batches = iter(loader)
    while True:
        try:
            next(batches)
        except StopIteration:
            return errors
        except Exception as error:
            errors.append([type(error).__name__, str(error)])

if __name__ == "__main__":
    root, *missing = sys.argv[1:]
    manager = torchreid.data.ImageDataManager(
        root=root, sources=["rendered_plaza"], targets=["rendered_snow"], height=16, width=8,
        batch_size_train=4, workers=0, use_gpu=False,
    )
    for path in missing:
        os.unlink(path)
    read_safely(manager)
    test = manager.test_loader["rendered_snow"]
    for workers, method in ((0, ""), (1, "fork"), (1, "spawn")):
        for name, loader in {"train": manager.train_loader, **test}.items():
            # Starting a process by spawn takes seconds; the three sets are of one class by then.
            if method != "spawn" or name == "query":
                errors = errors_of(loader.dataset, workers, method)
                print("RESULT", json.dumps([method, name, errors]))
"""


def damage(path, how):
    path = Path(path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("no image\n" * 40)
    else:
        path.unlink()
        if how == "directory":
            path.mkdir()
        elif how == "pipe":
            os.mkfifo(path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    for name in [*SOURCES, TARGET]:
        rendered.draw_domain(
            name, folder, identities=4, images_per_camera=2, test_identities=3,
            height=32, width=16, progress=False,
        )  # fmt: skip
    return folder


@pytest.fixture
def root(drawn, tmp_path):
    """A data root to damage: 4 identities of each domain in training, 3 in testing."""
    return shutil.copytree(drawn, tmp_path / "data")


def files(root, name, split):
    return sorted((root / "rendered" / name / split).iterdir())


def manager_of(root, **options):
    return torchreid.data.ImageDataManager(
        root=str(root), sources=SOURCES, targets=[TARGET], height=16, width=8, workers=0,
        batch_size_train=8, batch_size_test=4, use_gpu=False, **options,
    )  # fmt: skip


def test_no_bad_file_hangs_and_each_is_named_with_any_workers(root, tmp_path):
    bad = {"train": files(root, "rendered_plaza", "train")}
    bad |= {split: files(root, TARGET, split) for split in ("query", "gallery")}
    for paths in bad.values():
        assert len(paths) >= len(BAD)
        for path, how in zip(paths, BAD, strict=False):
            if how != "missing":
                damage(path, how)
        del paths[len(BAD) :]
    script = tmp_path / "read_all.py"
    script.write_text(READ_ALL)
    # What is missing from the start is not listed; it is deleted after that.
    missing = [str(paths[BAD.index("missing")]) for paths in bad.values()]
    done = subprocess.run(
        [sys.executable, str(script), str(root), *missing],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    results = {(method, name): errors for method, name, errors in map(json.loads, lines)}
    ways = {(method, name) for method in ("", "fork") for name in bad} | {("spawn", "query")}
    assert set(results) == ways
    for (_, name), errors in results.items():
        assert {kind for kind, _ in errors} == {"UnreadableImageError"}
        named = {message.partition(" is no readable image: ")[0] for _, message in errors}
        assert named == set(map(str, bad[name]))
        assert len(errors) == len(BAD)
        for _, message in errors:
            assert "ddan.bad_images skip" in message
            assert "\n" not in message
            assert "Traceback" not in message


def test_the_error_keeps_its_line_of_a_workers_traceback():
    line = "a: b.png is no readable image: it is empty"
    assert str(UnreadableImageError(line)) == line
    wrapped = f"Caught X in worker 0.\nOriginal Traceback:\n  x\na.UnreadableImageError: {line}\n"
    assert str(UnreadableImageError(wrapped)) == line


def test_good_images_are_read_as_torchreid_reads_them(root, tmp_path):
    plain, safe = manager_of(root), manager_of(root)
    rng = np.random.default_rng(0)
    odd = files(root, TARGET, "query")
    pixels = rng.integers(0, 256, (16, 8, 3), dtype=np.uint8)
    for path, mode in zip(odd, ("RGB", "L", "P", "RGBA", "CMYK", "LA"), strict=False):
        # The content is another format than the suffix says.
        Image.fromarray(pixels).convert(mode).save(path, format="TIFF")
    read_safely(safe)
    for split in ("query", "gallery"):
        expected, found = (m.test_loader[TARGET][split].dataset for m in (plain, safe))
        assert type(found) is SafeImageDataset
        assert len(found) == len(expected)
        for index in range(len(found)):
            a, b = expected[index], found[index]
            assert list(a) == list(b) == ["img", "pid", "camid", "impath", "dsetid"]
            assert torch.equal(a.pop("img"), b.pop("img"))
            assert a == b


def test_k_tfm_and_random_transforms_are_kept(root):
    items = []
    for manager in (manager_of(root, k_tfm=3), manager_of(root, k_tfm=3)):
        dataset = manager.train_loader.dataset
        dataset.k_tfm = 3  # torchreid loses it when it adds datasets
        if items:
            read_safely(manager)
        torchreid.utils.set_random_seed(5)
        items.append(dataset[0]["img"])
    assert len(items[0]) == len(items[1]) == 3
    assert all(map(torch.equal, *items))


def test_16_bit_images_are_not_white(root):
    path = files(root, TARGET, "query")[0]
    Image.fromarray(np.full((16, 8), 100 * 256, dtype=np.uint16)).save(path, format="PNG")
    manager = manager_of(root)
    read_safely(manager)
    query = manager.test_loader[TARGET]["query"].dataset
    query.transform = None
    index = [item[0] for item in query.data].index(str(path))
    np.testing.assert_array_equal(query[index]["img"], np.full((16, 8, 3), 100))


def test_the_dataset_can_be_sent_to_a_spawned_worker(root):
    manager = manager_of(root)
    query = manager.test_loader[TARGET]["query"].dataset
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(query)  # the class is made in a function
    read_safely(manager)
    again = pickle.loads(pickle.dumps(query))
    assert again.data == query.data
    assert torch.equal(again[0]["img"], query[0]["img"])


def test_a_dataset_that_reads_by_itself_is_left_alone(root):
    class Own(torchreid.data.ImageDataset):
        def __getitem__(self, index):
            return index

    manager = manager_of(root)
    query = manager.test_loader[TARGET]["query"].dataset
    query.__class__ = Own
    query.data[0] = ("no file", *query.data[0][1:])
    read_safely(manager)
    skip_unreadable(manager)
    assert query[0] == 0
    assert query.data[0][0] == "no file"


def test_skip_replaces_in_training_and_leaves_out_of_tests(root, capsys):
    manager = manager_of(root)
    read_safely(manager)
    train = manager.train_loader.dataset
    before = list(train.data)
    first = [position for position, item in enumerate(before) if item[1] == before[0][1]]
    assert len(first) > 3
    # One identity loses two images, the last one of the list loses all.
    lost = [position for position, item in enumerate(before) if item[1] == before[-1][1]]
    bad = [first[0], first[-1], *lost]
    for position, how in zip(bad, (*BAD, *["empty"] * len(lost)), strict=False):
        damage(before[position][0], how)
    query, gallery = (manager.test_loader[TARGET][split].dataset for split in ("query", "gallery"))
    sizes = len(query), len(gallery)
    damage(query.data[2][0], "text")
    damage(gallery.data[0][0], "truncated")
    gone = [query.data[2][0], gallery.data[0][0]]

    capsys.readouterr()
    report = skip_unreadable(manager)
    printed = capsys.readouterr().out
    assert f"{len(bad) + 2} images cannot be read" in printed
    for path in [*gone, *(before[position][0] for position in bad)]:
        (line,) = [line for line in report if line.startswith(f"{path} is no readable image")]
        assert printed.count(line) == 1
    assert (len(query), len(gallery)) == (sizes[0] - 1, sizes[1] - 1)
    assert manager.test_dataset[TARGET]["query"] == query.query == query.data
    assert sum(len(batch["pid"]) for batch in manager.test_loader[TARGET]["query"]) == len(query)

    assert train.train == before  # labels and samplers stay what they were
    assert train.data[first[0]] == before[first[1]]  # the next one
    assert train.data[first[-1]] == before[first[1]]  # round the end, and past the bad one
    domain = before[-1][3]
    for position in lost:  # nobody else has this identity
        assert train.data[position][3] == domain
        assert train.data[position][1] != before[position][1]
    for position in set(range(len(before))) - set(bad):
        assert train.data[position] == before[position]
    for index in range(len(train)):
        assert torch.isfinite(train[index]["img"]).all()
    assert skip_unreadable(manager) == []


def test_skip_keeps_identity_batches_valid(root):
    manager = manager_of(root, train_sampler="MultiDomainIdentitySampler", num_instances=4)
    read_safely(manager)
    data = manager.train_loader.dataset.data
    for pid in {item[1] for item in data}:
        damage(next(item[0] for item in data if item[1] == pid), "truncated")
    assert len(skip_unreadable(manager)) == len({item[1] for item in data})
    batches = list(manager.train_loader)
    assert batches
    for batch in batches:
        assert sorted(Counter(batch["pid"].tolist()).values()) == [4, 4]
        assert set(batch["dsetid"].tolist()) == {0, 1}


def test_nothing_left_is_said(root):
    for path in files(root, TARGET, "query"):
        damage(path, "empty")
    manager = manager_of(root)
    read_safely(manager)
    with pytest.raises(ValueError, match="no image can be read in query of rendered_snow"):
        skip_unreadable(manager)
    for path in files(root, SOURCES[0], "train"):
        damage(path, "empty")
    with pytest.raises(ValueError, match="a source has no readable training image, such as"):
        skip_unreadable(manager)


@pytest.fixture
def words(root, tmp_path):
    return [
        *("--config-file", "rendered", "--root", str(root), "-s", *SOURCES, "-t", TARGET),
        *("model.name", "ddan_mobilenetv2_x0_35", "data.height", "32", "data.width", "16"),
        *("train.batch_size", "16", "train.max_epoch", "1", "ddan.top_k", "2"),
        *("ddan.central_domain", SOURCES[0], "data.save_dir", str(tmp_path / "log")),
    ]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_command_line_reports_one_line(workers, root, words, capfd):
    path = files(root, SOURCES[1], "train")[5]
    damage(path, "truncated")
    assert main(["train", *words, "data.workers", workers]) == 2
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"ddan-torchreid: error: {path} is no readable image: ")
    assert "Traceback" not in error


def test_torchreids_own_engines_read_safely_too(root, words, capsys):
    path = files(root, SOURCES[1], "train")[5]
    damage(path, "truncated")
    pairs = ["loss.name", "softmax", "data.workers", "0"]
    assert main(["train", *words, *pairs]) == 2
    assert f"{path} is no readable image" in capsys.readouterr().err


def test_skip_trains_and_evaluates_from_the_command_line(root, words, tmp_path, capsys):
    bad = [files(root, SOURCES[0], "train")[2], files(root, TARGET, "gallery")[4]]
    for path in bad:
        damage(path, "truncated")
    pairs = ["ddan.bad_images", "skip", "data.workers", "0"]
    assert main(["train", *words, *pairs]) == 0
    assert "2 images cannot be read" in capsys.readouterr().out
    (log,) = (tmp_path / "log").glob("train.log-*")
    for path in bad:
        assert log.read_text().count(f"{path} is no readable image") == 1
    weights = str(tmp_path / "log" / "model" / "model.pth.tar-1")
    assert main(["evaluate", *words, *pairs, "--weights", weights]) == 0
    # The training images are not read to evaluate.
    assert "1 images cannot be read" in capsys.readouterr().out
    assert main(["evaluate", *words, "data.workers", "0", "--weights", weights]) == 2
