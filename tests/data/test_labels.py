"""Stable labels: the same for every numbering, order, data root and process."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torchreid
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.data.labels import identity_domains, label_digest, stabilise, stable_labels

TRAIN = [
    ("/data/market/train/0007_c2.jpg", 5, 1, 0),
    ("/data/market/train/0007_c1.jpg", 5, 0, 0),
    ("/data/market/query/0009_c1.jpg", 2, 0, 0),
    ("/data/market/train/0002_c3.jpg", 0, 2, 0),
    ("/data/viper/b.bmp", 9, 7, 1),
    ("/data/viper/a.bmp", 4, 6, 1),
]
STABLE = [
    ("/data/market/query/0009_c1.jpg", 0, 0, 0),
    ("/data/market/train/0002_c3.jpg", 1, 2, 0),
    ("/data/market/train/0007_c1.jpg", 2, 0, 0),
    ("/data/market/train/0007_c2.jpg", 2, 1, 0),
    ("/data/viper/a.bmp", 3, 6, 1),
    ("/data/viper/b.bmp", 4, 7, 1),
]


def test_example() -> None:
    before = list(TRAIN)
    assert stable_labels(TRAIN) == STABLE
    assert before == TRAIN
    lists: list = [list(item) for item in TRAIN]
    assert stable_labels(lists) == STABLE


@st.composite
def training_lists(draw: st.DrawFn) -> list[tuple[str, int, int, int]]:
    """Images at random in a few folders; one image may be listed twice, even under two pids."""
    name = st.sampled_from([f"{a}/{b}.jpg" for a in ("x", "xy", "y/z") for b in "abcdef"])
    item = st.tuples(name, st.integers(0, 5), st.integers(0, 2), st.integers(0, 2))
    items = draw(st.lists(item, min_size=1, max_size=40))
    return [(f"/data/set{d}/{path}", 10 * d + pid, cam, d) for path, pid, cam, d in items]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(train=training_lists(), seed=st.integers(0, 99))
def test_numbering_order_and_root_do_not_matter(train: list, seed: int) -> None:
    expected = stable_labels(train)
    rng = random.Random(seed)
    pids = sorted({pid for _, pid, _, _ in train})
    renamed = dict(zip(pids, rng.sample(range(1000), len(pids)), strict=True))
    moved = [(path.replace("/data", "D:\\reid"), renamed[p], c, d) for path, p, c, d in train]
    rng.shuffle(moved)
    result = [(p.replace("D:\\reid", "/data"), *rest) for p, *rest in stable_labels(moved)]
    assert result == expected
    assert label_digest(stable_labels(moved)) == label_digest(expected)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(train=training_lists())
def test_same_images_and_identities_in_the_specified_order(train: list) -> None:
    stable = stable_labels(train)
    assert stable_labels(stable) == stable
    assert sorted((p, c, d) for p, _, c, d in stable) == sorted((p, c, d) for p, _, c, d in train)
    groups = [
        sorted(sorted((p, c, d) for p, own, c, d in items if own == pid) for pid in pids)
        for items in (train, stable)
        for pids in [{item[1] for item in items}]
    ]
    assert groups[0] == groups[1]
    # Within a domain of this strategy, paths share their root: their order is the relative one.
    assert [(d, p) for p, _, _, d in stable] == sorted((d, p) for p, _, _, d in stable)
    smallest: dict[int, tuple[int, str]] = {}
    for path, pid, _, domain in stable:
        smallest.setdefault(pid, (domain, path))
    assert list(range(len(smallest))) == sorted(smallest)
    names = [smallest[pid] for pid in sorted(smallest)]
    assert names == sorted(names)


def test_windows_and_posix_separators_are_alike() -> None:
    windows = [(path.replace("/", "\\"), p, c, d) for path, p, c, d in TRAIN]
    assert [item[1:] for item in stable_labels(windows)] == [item[1:] for item in STABLE]
    assert label_digest(windows) == label_digest(TRAIN)


def test_image_that_is_both_query_and_gallery() -> None:
    train = [("/d/b.png", 1, 0, 0), ("/d/a.png", 0, 1, 0), ("/d/a.png", 0, 0, 0)]
    train += [("/d/b.png", 1, 0, 0)]
    expected = [("/d/a.png", 0, 0, 0), ("/d/a.png", 0, 1, 0)] + [("/d/b.png", 1, 0, 0)] * 2
    for seed in range(5):
        random.Random(seed).shuffle(train)
        assert stable_labels(train) == expected


def test_image_under_two_identities_is_told_apart_by_the_other_images() -> None:
    expected = [("/d/a.png", 0, 0, 0), ("/d/a.png", 1, 0, 0), ("/d/b.png", 0, 0, 0)]
    for with_b, with_c in ((3, 7), (7, 3)):
        train = [("/d/a.png", with_c, 0, 0), ("/d/c.png", with_c, 0, 0)]
        train += [("/d/a.png", with_b, 0, 0), ("/d/b.png", with_b, 0, 0)]
        assert stable_labels(train) == [*expected, ("/d/c.png", 1, 0, 0)]
        assert stable_labels(train[::-1]) == [*expected, ("/d/c.png", 1, 0, 0)]


def test_common_directory_ends_at_a_separator() -> None:
    train = [("/data/cam_1/x.png", 0, 0, 0), ("/data/cam_2/x.png", 1, 0, 0)]
    moved = [("/e/cam_1/x.png", 0, 0, 0), ("/e/cam_2/x.png", 1, 0, 0)]
    assert label_digest(train) == label_digest(moved)
    renamed = [("/data/dir_1/x.png", 0, 0, 0), ("/data/dir_2/x.png", 1, 0, 0)]
    assert label_digest(train) != label_digest(renamed)


def test_digest_tells_labels_images_and_domains_apart() -> None:
    digest = label_digest(STABLE)
    assert len(digest) == 64
    assert label_digest(STABLE[::-1]) == digest
    for changed in (
        [(STABLE[0][0], 1, 0, 0), *STABLE[1:]],
        [("/data/market/query/0008_c1.jpg", *STABLE[0][1:]), *STABLE[1:]],
        [*STABLE[:5], ("/data/viper/b.bmp", 4, 7, 2)],
        STABLE[:-1],
    ):
        assert label_digest(changed) != digest
    assert label_digest([("/d/\udce9.jpg", 0, 0, 0)])  # a file name that is not UTF-8


@pytest.mark.parametrize("copied", [False, True])
def test_stabilise_changes_the_list_in_place(copied: bool) -> None:
    query = [("/data/q.jpg", 1, 0, 0)]
    for mode, served in (("train", STABLE), ("query", [(*query[0][:3], 0)])):
        dataset = torchreid.data.ImageDataset(list(TRAIN), query, query, mode=mode, verbose=False)
        train = dataset.train
        if copied:
            dataset.data = list(dataset.data)
        assert stabilise(dataset)
        assert dataset.train is train
        assert train == STABLE
        assert dataset.data == served
        assert not stabilise(dataset)


def test_domain_of_each_identity() -> None:
    domains = identity_domains(random.Random(1).sample(STABLE, len(STABLE)))
    assert domains.tolist() == [0, 0, 0, 1, 1]
    assert domains.dtype == np.int64
