"""Bad image files in the sets of a data manager: none hangs, each is named."""

import json
import subprocess
import sys

import numpy as np
import torch
import torchreid
from PIL import Image

from ddan_torchreid.data.reading import SafeImageDataset, read_safely, skip_unreadable
from tests.data.bad_files import BAD, TARGET, damage, files, manager_of

# Reads all images one by one in a process of its own, so that a reader that never ends is a failure
# and not a test run that never ends. Prints the errors of each way to read and each set.
READ_ALL = """
import json, os, sys
import torch, torchreid, ddan_torchreid
from ddan_torchreid.data.reading import read_safely
from ddan_torchreid.integration.registry import register_own

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
    register_own([f"{name}={root}/{name}" for name in ("campus", "airport")])
    manager = torchreid.data.ImageDataManager(
        sources=["campus"], targets=["airport"], height=16, width=8,
        batch_size_train=4, workers=0, use_gpu=False,
    )
    for path in missing:
        os.unlink(path)
    read_safely(manager)
    test = manager.test_loader["airport"]
    for workers, method in ((0, ""), (1, "fork"), (1, "spawn")):
        for name, loader in {"train": manager.train_loader, **test}.items():
            # Starting a process by spawn takes seconds; the three sets are of one class by then.
            if method != "spawn" or name == "query":
                errors = errors_of(loader.dataset, workers, method)
                print("RESULT", json.dumps([method, name, errors]))
"""


def test_no_bad_file_hangs_and_each_is_named_with_any_workers(damaged_root, tmp_path):
    bad = {"train": files(damaged_root, "campus", "train")}
    bad |= {split: files(damaged_root, TARGET, split) for split in ("query", "gallery")}
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
        [sys.executable, str(script), str(damaged_root), *missing],
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


def test_good_images_are_read_as_torchreid_reads_them(damaged_root, tmp_path):
    plain, safe = manager_of(damaged_root), manager_of(damaged_root)
    rng = np.random.default_rng(0)
    odd = files(damaged_root, TARGET, "query")
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


def test_k_tfm_and_random_transforms_are_kept(damaged_root):
    items = []
    for manager in (manager_of(damaged_root, k_tfm=3), manager_of(damaged_root, k_tfm=3)):
        dataset = manager.train_loader.dataset
        dataset.k_tfm = 3  # torchreid loses it when it adds datasets
        if items:
            read_safely(manager)
        torchreid.utils.set_random_seed(5)
        items.append(dataset[0]["img"])
    assert len(items[0]) == len(items[1]) == 3
    assert all(map(torch.equal, *items))


def test_a_dataset_that_reads_by_itself_is_left_alone(damaged_root):
    class Own(torchreid.data.ImageDataset):
        def __getitem__(self, index):
            return index

    manager = manager_of(damaged_root)
    query = manager.test_loader[TARGET]["query"].dataset
    query.__class__ = Own
    query.data[0] = ("no file", *query.data[0][1:])
    read_safely(manager)
    skip_unreadable(manager)
    assert query[0] == 0
    assert query.data[0][0] == "no file"
