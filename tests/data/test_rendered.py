"""Rendered domains: the same pixels everywhere, whole folders or none, valid torchreid datasets."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torchreid

from ddan_torchreid.data import rendered
from ddan_torchreid.data.rendered import (
    DOMAINS,
    MORE_TARGETS,
    PRETRAINING,
    SOURCES,
    TARGETS,
    VALIDATION,
    dataset_class,
    draw_domain,
    draw_image,
    look_of,
    lookalikes,
)

SMALL = {"identities": 3, "images_per_camera": 2, "test_identities": 2, "progress": False}
PINNED = {
    (0, 14): "089c66a1734c4460c2dd03cbbf1c809160cca852fb57f5c0d217fc0e23b235a3",
    (14, 20): "4febfb2c374bcea49d9db351e1cb6e005b583bfb03524e5027c5d2961683d127",
}


def sample_digest(start: int, stop: int) -> str:
    """SHA-256 of one image of each domain from place ``start`` to ``stop``, two sizes in turn."""
    digest = hashlib.sha256()
    for number, name in list(enumerate(DOMAINS))[start:stop]:
        height, width = ((128, 64), (160, 72))[number % 2]
        digest.update(draw_image(name, number, number % 2, number, height, width).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("places", PINNED)
def test_pixels_are_pinned(places: tuple[int, int]) -> None:
    assert sample_digest(*places) == PINNED[places], (
        "the pixels changed: if that was intended, raise FORMAT_VERSION and pin the new digest"
    )


def test_pixels_do_not_depend_on_process_vector_units_or_earlier_calls() -> None:
    code = (
        "import hashlib; from ddan_torchreid.data.rendered import draw_image;"
        "print(hashlib.sha256(draw_image('rendered_campus', 7, 1, 2).tobytes()).hexdigest())"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "12345",
        "OPENCV_CPU_DISABLE": "AVX2",
        "OPENCV_IPP": "disabled",
        "JSIMD_FORCENONE": "1",
    }
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]
    draw_image("rendered_campus", 3, 0, 0)
    here = hashlib.sha256(draw_image("rendered_campus", 7, 1, 2).tobytes()).hexdigest()
    assert here == other


@pytest.mark.parametrize(("height", "width"), [(128, 64), (256, 128), (32, 16), (97, 41)])
def test_sizes(height: int, width: int) -> None:
    image = draw_image("rendered_subway", 1, 0, 0, height, width)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5


def test_every_argument_changes_the_image() -> None:
    base = draw_image("rendered_plaza", 1, 0, 0)
    others = [("rendered_mall", 1, 0, 0), ("rendered_plaza", 2, 0, 0)]
    others += [("rendered_plaza", 1, 1, 0), ("rendered_plaza", 1, 0, 1)]
    for other in others:
        assert np.mean(draw_image(*other) != base) > 0.5


def test_large_images_show_the_same_scene() -> None:
    small = draw_image("rendered_park", 2, 0, 1, 128, 64).astype(float)
    large = cv2.resize(
        draw_image("rendered_park", 2, 0, 1, 256, 128), (64, 128), interpolation=cv2.INTER_AREA
    ).astype(float)
    other = draw_image("rendered_park", 3, 0, 1, 128, 64).astype(float)
    assert np.abs(small - large).mean() < 0.6 * np.abs(small - other).mean()


def test_domain_names() -> None:
    groups = (SOURCES, VALIDATION, PRETRAINING, TARGETS, MORE_TARGETS)
    assert [len(group) for group in groups] == [5, 4, 3, 4, 4]
    assert sorted(name for group in groups for name in group) == sorted(DOMAINS)
    assert max(stop for _, stop in PINNED) == len(DOMAINS)
    assert all(name.startswith("rendered_") for name in DOMAINS)
    assert all(2 <= spec.cameras <= 4 for spec in DOMAINS.values())
    assert all(spec.test_identities * spec.cameras >= 100 for n, spec in DOMAINS.items()
               if n in (*TARGETS, *MORE_TARGETS))  # fmt: skip


def test_later_domains_show_places_of_their_own() -> None:
    """None of the six added later shares a scene with any other domain."""
    scenes = {
        name: {scene for style in spec.styles for scene in style.scenes}
        for name, spec in DOMAINS.items()
    }
    for name in (*VALIDATION[2:], *MORE_TARGETS):
        assert not scenes[name] & {s for other in DOMAINS if other != name for s in scenes[other]}


@pytest.mark.parametrize(
    "call",
    [
        lambda: draw_image("rendered_plazza", 0, 0, 0),
        lambda: draw_domain("rendered_plazza", "unused"),
        lambda: dataset_class("rendered_plazza"),
        lambda: look_of("rendered_plazza", 0),
        lambda: lookalikes("rendered_plazza", "rendered_mall"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_one(call) -> None:
    with pytest.raises(ValueError, match=r"'rendered_plazza'; did you mean 'rendered_plaza'"):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rendered_film", 0, 2, 0), "cameras 0 to 1, but camera 2"),
        (("rendered_film", -1, 0, 0), "0 or more"),
        (("rendered_film", 0, 0, -1), "0 or more"),
        (("rendered_film", 0, 0, 0, 31, 16), "at least 32x16"),
        (("rendered_film", 0, 0, 0, 64, 129), "twice as wide"),
    ],
)
def test_bad_numbers(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_image(*arguments)


def test_folder_and_manifest(tmp_path: Path) -> None:
    folder = draw_domain("rendered_film", tmp_path, **SMALL)
    assert folder == tmp_path / "rendered" / "rendered_film"
    assert [p.name for p in folder.parent.iterdir()] == ["rendered_film"]
    counts = {s: len(list((folder / s).glob("*.png"))) for s in ("train", "query", "gallery")}
    assert counts == {"train": 3 * 2 * 2, "query": 2 * 2, "gallery": 2 * 2 * 2}
    manifest = json.loads((folder / "domain.json").read_text())
    assert manifest["name"] == "rendered_film"
    assert (manifest["identities"], manifest["test_identities"]) == (3, 2)
    written = cv2.imread(str(folder / "train" / "00002_c1_0.png"))[:, :, ::-1]
    assert np.array_equal(written, draw_image("rendered_film", 2, 1, 0))


def test_a_drawn_folder_is_left_alone(tmp_path: Path) -> None:
    folder = draw_domain("rendered_film", tmp_path, **SMALL)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert draw_domain("rendered_film", tmp_path, **SMALL) == folder
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(FileExistsError, match="identities 3 instead of 4; delete the folder or"):
        draw_domain("rendered_film", tmp_path, **{**SMALL, "identities": 4})
    (folder / "domain.json").write_text("{")
    with pytest.raises(FileExistsError, match=r"no readable domain\.json"):
        draw_domain("rendered_film", tmp_path, **SMALL)


def test_a_crash_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> np.ndarray:
        if arguments[3] == 1:
            raise RuntimeError("stopped")
        return np.zeros((128, 64, 3), np.uint8)

    monkeypatch.setattr(rendered.dataset, "draw_image", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        draw_domain("rendered_film", tmp_path, **SMALL)
    assert list((tmp_path / "rendered").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("identities", 0, "identities must be 1 or more, but is 0"),
        ("images_per_camera", 0, "images_per_camera must be 1 or more"),
        ("test_identities", -1, "test_identities must be 1 or more"),
        ("identities", 10_001, "at most 10000"),
        ("height", 20, "at least 32x16"),
    ],
)
def test_bad_settings(tmp_path: Path, key: str, value: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_domain("rendered_film", tmp_path, **{**SMALL, key: value})
    assert not list(tmp_path.rglob("*.png"))


def test_torchreid_dataset(tmp_path: Path) -> None:
    draw_domain("rendered_station", tmp_path, **SMALL)
    dataset = dataset_class("rendered_station")(root=str(tmp_path), verbose=False)
    assert isinstance(dataset, torchreid.data.ImageDataset)
    paths = [item[0] for item in dataset.train]
    assert paths == sorted(paths)
    assert sorted({item[1] for item in dataset.train}) == [0, 1, 2]
    assert {item[2] for item in dataset.train} == {0, 1, 2}
    train_people = {Path(item[0]).name[:5] for item in dataset.train}
    test_people = {Path(item[0]).name[:5] for item in dataset.query + dataset.gallery}
    assert not train_people & test_people
    for _, pid, camera, _ in dataset.query:
        assert any(p == pid and c != camera for _, p, c, _ in dataset.gallery)
    assert dataset[0]["img"].size == (64, 128)


def test_dataset_draws_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def small(name: str, root: Path) -> Path:
        drawn.append(name)
        return draw_domain(name, root, **SMALL)

    monkeypatch.setattr(rendered.dataset, "draw_domain", small)
    cls = dataset_class("rendered_snow")
    first = cls(root=str(tmp_path), verbose=False)
    second = cls(root=str(tmp_path), verbose=False, mode="query")
    assert drawn == ["rendered_snow"]
    assert first.train == second.train
    assert len(second) == 4
