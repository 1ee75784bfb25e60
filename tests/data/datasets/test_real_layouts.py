"""torchreid's own loaders on the real on-disk layouts of nine datasets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torchreid
from PIL import Image

from ddan_torchreid.data.datasets.own import dataset_class
from ddan_torchreid.data.labels import identity_domains, label_digest, stable_labels
from ddan_torchreid.data.sampler import MultiDomainIdentitySampler
from tests import miniatures
from tests.data.datasets.roots import build, manager, write

SOURCES, TARGETS = list(miniatures.SOURCES), list(miniatures.TARGETS)


@pytest.fixture(scope="module")
def everything(real_root: Path) -> torchreid.data.ImageDataManager:
    return manager(
        real_root, SOURCES, targets=TARGETS, height=32, width=16, batch_size_train=16,
        batch_size_test=50, combineall=True,
    )  # fmt: skip


def test_five_sources_together(everything: torchreid.data.ImageDataManager) -> None:
    train = everything.train_loader.dataset.train
    assert everything.num_train_pids == sum(pids for pids, _ in miniatures.SOURCES.values())
    domains = identity_domains(train)
    for dsetid, (name, (pids, images)) in enumerate(miniatures.SOURCES.items()):
        own = [item for item in train if item[3] == dsetid]
        assert len(own) == images, name
        assert (domains == dsetid).sum() == pids, name
        folder = {"dukemtmcreid": "dukemtmc-reid"}.get(name, name)
        assert all(f"/{folder}/" in Path(path).as_posix() for path, _, _, _ in own)
    sampler = MultiDomainIdentitySampler(train, 32, 4)
    batches = np.array([item[3] for item in train])[list(sampler)].reshape(-1, 32)
    assert all(set(batch) == set(range(5)) for batch in batches)


def test_junk_is_in_the_test_folder_and_not_in_training(real_root: Path) -> None:
    folder = real_root / "market1501" / "Market-1501-v15.09.15" / "bounding_box_test"
    junk = {path.name for path in folder.iterdir() if path.name.startswith(("-1_", "0000_"))}
    assert len(junk) == 6
    dataset = build("market1501", real_root, combineall=True)
    assert not junk & {Path(item[0]).name for item in dataset.train}
    in_gallery = junk & {Path(item[0]).name for item in dataset.gallery}
    assert {name[:4] for name in in_gallery} == {"0000"}  # the background stays as distractors


@pytest.mark.parametrize("labeled", [False, True])
@pytest.mark.parametrize("classic", [False, True])
def test_cuhk03_protocols(labeled: bool, classic: bool, real_root: Path) -> None:
    dataset = build("cuhk03", real_root, cuhk03_labeled=labeled, cuhk03_classic_split=classic)
    assert len({item[1] for item in dataset.train}) == 9
    assert {item[1] for item in dataset.query} == {item[1] for item in dataset.gallery}
    assert len({item[1] for item in dataset.query}) == 5
    test = {item[0] for item in [*dataset.query, *dataset.gallery]}
    # Labelled, each of the 14 identities has one image more.
    assert len(dataset.train) + len(test) == miniatures.SOURCES["cuhk03"][1] + 14 * labeled
    upright = Image.open(real_root / "cuhk03" / "images_detected" / "1_001_1_01.png")
    np.testing.assert_array_equal(upright, miniatures.pixels(identity=101, camera=1))


@pytest.mark.parametrize("name", TARGETS)
def test_each_target(
    name: str, everything: torchreid.data.ImageDataManager, real_root: Path
) -> None:
    queries, gallery = miniatures.TARGETS[name]
    loaders = everything.test_loader[name]
    assert len(loaders["query"].dataset.query) == queries
    assert len(loaders["gallery"].dataset.gallery) == gallery
    found = {item[1] for item in loaders["gallery"].dataset.gallery}
    assert {item[1] for item in loaders["query"].dataset.query} <= found
    batch = next(iter(loaders["gallery"]))
    assert batch["img"].shape == (50, 3, 32, 16)
    first, last = ({item[0] for item in build(name, real_root, split_id=n).query} for n in (0, 9))
    assert len(first) == len(last) == queries
    assert first != last


def partition(items: list, column: int) -> list[list[str]]:
    """The images that have the same number in a column."""
    groups = defaultdict(set)
    for item in items:
        groups[item[column]].add(item[0])
    return sorted(map(sorted, groups.values()))


@pytest.mark.parametrize("combineall", [False, True])
def test_an_own_folder_reads_as_torchreid_reads_market1501(
    combineall: bool, real_root: Path
) -> None:
    folder = real_root / "market1501" / "Market-1501-v15.09.15"
    own = dataset_class("mine", str(folder))(verbose=False, combineall=combineall)
    theirs = build("market1501", real_root, combineall=combineall)
    for split in ("train", "query", "gallery"):
        mine, reference = getattr(own, split), getattr(theirs, split)
        for column in (1, 2):
            assert partition(mine, column) == partition(reference, column), split
    assert own.num_train_pids == theirs.num_train_pids
    assert {item[1] for item in own.train} == set(range(own.num_train_pids))
    query_persons = {item[1] for item in own.query}
    assert query_persons == {item[1] for item in own.gallery} & query_persons


SCRIPT = """
import sys, torchreid
from ddan_torchreid.data.labels import label_digest, stabilise
read = torchreid.data.datasets.init_image_dataset
options = {"root": sys.argv[1], "combineall": True, "verbose": False}
datasets = {name: read(name, **options) for name in sys.argv[2:]}
print(label_digest(datasets["cuhksysu"].train))
for dataset in [datasets["cuhksysu"], sum(datasets.values())]:
    stabilise(dataset)
    print(label_digest(dataset.train))
"""


def test_labels_are_stable_across_processes_and_data_roots(
    everything: torchreid.data.ImageDataManager, real_root: Path, tmp_path: Path
) -> None:
    for name in SOURCES:
        write(name, tmp_path)
    other_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), *SOURCES],
        env={**os.environ, "PYTHONHASHSEED": other_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    raw_cuhksysu, cuhksysu, sources = done.stdout.split()[-3:]
    here = build("cuhksysu", real_root)
    assert raw_cuhksysu != label_digest(here.train), "torchreid's labels have become stable"
    assert cuhksysu == label_digest(stable_labels(here.train))
    assert sources == label_digest(stable_labels(everything.train_loader.dataset.train))
