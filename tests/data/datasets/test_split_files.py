"""Split files that were drawn elsewhere or too early, as torchreid wrote them."""

import errno
import json
import os
import re
from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.data.datasets import check, loading, split_files
from ddan_torchreid.data.datasets.published import DATASETS
from ddan_torchreid.data.reading import sets_of
from tests.data.datasets.roots import build, manager, write


def check_data(root, *words):
    return main(["check-data", "--root", str(root), *words])


@pytest.mark.parametrize(
    ("name", "files"), [("viper", 1), ("grid", 1), ("cuhk01", 1), ("cuhk03", 4)]
)
def test_a_moved_root_works_at_once_and_its_files_are_rewritten(name, files, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    write(name, old)
    before = manager(old, [name], targets=[name])
    old.rename(new)
    stored = {path: path.read_text() for path in (new / name).glob("splits*.json")}
    modes = {path: path.stat().st_mode for path in stored}
    # The lists that the data manager gets, in the order of the stored ones.
    after = manager(new, [name], targets=[name])
    for one, other in zip(lists_of(before), lists_of(after), strict=True):
        assert [(path.replace("/old/", "/new/"), *rest) for path, *rest in one] == other
        assert all(os.path.isfile(path) for path, *_ in other)
    notes = check.check_published(name, new).notes
    assert sum("of its paths lead to another data root" in note.text for note in notes) == files
    check_data(new, name, "--fix-splits")
    assert not split_files.stale_paths(name, new / name)
    for path, text in stored.items():  # nothing but the root in the paths has changed
        there, here = (json.dumps(str(root))[1:-1] for root in (old, new))
        assert path.read_text() == text.replace(there, here)
        assert path.stat().st_mode == modes[path]


def lists_of(manager):
    training, *tests = sets_of(manager)
    return [training.train, training.data, *(each.data for each in tests)]


def write_split(folder, paths):
    rows = [[path, number, 0] for number, path in enumerate(paths)]
    content = [{"train": rows, "query": rows[:1], "gallery": rows[1:], "num_train_pids": 2}]
    folder.mkdir(exist_ok=True)
    (folder / "splits.json").write_text(json.dumps(content))
    return folder / "splits.json"


def test_split_files_that_cannot_be_written_or_put_aside_are_left(tmp_path, monkeypatch):
    image = tmp_path / "viper" / "VIPeR" / "cam_a" / "0_0.bmp"
    image.parent.mkdir(parents=True)
    image.touch()
    file = write_split(tmp_path / "viper", ["/old/VIPeR/cam_a/0_0.bmp"])
    before = file.read_bytes()

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (said,) = split_files.mend("viper", tmp_path)
    assert "no space left on device; repeat this when" in said
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["VIPeR", "splits.json"]

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    file.write_text("[]")
    monkeypatch.setattr(Path, "rename", refuse)
    (said,) = split_files.mend("viper", tmp_path)
    assert said.startswith(f"{file.parent} is left as it is: Permission denied; repeat this when")


def test_paths_of_windows_and_links_to_the_root(tmp_path):
    folder = tmp_path / "new" / "viper"
    image = folder / "VIPeR" / "cam_a" / "000_0.bmp"
    image.parent.mkdir(parents=True)
    image.touch()
    (tmp_path / "link").symlink_to(tmp_path / "new")
    linked = str(tmp_path / "link" / "viper" / "VIPeR" / "cam_a" / "000_0.bmp")
    windows = "D:\\data\\viper\\VIPeR\\cam_a\\000_0.bmp"
    file = write_split(folder, [windows, linked])
    assert split_files.stale_paths("viper", folder) == {file: {windows: image}}


# Folders, images that a copy of each has when the splits are drawn, images that come later.
INCOMPLETE = {
    "viper": (["VIPeR/cam_a", "VIPeR/cam_b"], 20, 1224),
    "cuhk01": (["campus"], 10, 14),
    "grid": (["underground_reid/gallery"], 900, 125),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_split_that_was_drawn_of_a_part_is_found_and_put_aside(name, tmp_path):
    folders, count, later = INCOMPLETE[name]
    root, rest = tmp_path / "root", tmp_path / "rest"
    write(name, root)
    base = root / name
    for folder in folders:
        (rest / folder).mkdir(parents=True)
        for path in sorted((base / folder).iterdir())[count:]:
            path.rename(rest / folder / path.name)
    build(name, root)
    assert not list(loading.obstacles(name, root))
    for folder in folders:
        for path in (rest / folder).iterdir():
            path.rename(base / folder / path.name)
    (obstacle,) = loading.obstacles(name, root)
    assert f"splits.json was drawn when {later} images of {name} were not there" in obstacle.text
    assert f"ddan-torchreid check-data {name} --root {root} --fix-splits" in obstacle.text
    assert len(obstacle.details) == later
    assert obstacle in check.check_published(name, root).problems
    check_data(root, name, "--fix-splits")
    build(name, root)
    assert not list(loading.obstacles(name, root))
    assert {path.name for path in base.glob("*.json*")} == {"splits.json", "splits.json.old"}


def test_each_split_file_of_cuhk03_is_held_against_its_own_images(tmp_path):
    write("cuhk03", tmp_path)
    build("cuhk03", tmp_path)
    file = tmp_path / "cuhk03" / "splits_new_labeled.json"
    splits = json.loads(file.read_bytes())
    splits[0]["train"] = splits[0]["train"][:-5]
    file.write_text(json.dumps(splits))
    assert not list(loading.obstacles("cuhk03", tmp_path, files=["splits_new_detected.json"]))
    for files in ([], [file.name]):
        (obstacle,) = loading.obstacles("cuhk03", tmp_path, files)
        assert f"{file} was drawn when 5 images of cuhk03 were not there yet" in obstacle.text


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("viper", "VIPeR/cam_b/017_90.bmp"),
        # The files of these two hold numbers and names.
        ("prid", "prid_2011/single_shot/cam_b/person_0300.png"),
        ("ilids", "i-LIDS_Pedestrian/Persons/0002001.jpg"),
        ("cuhk03", "images_detected/1_001_1_01.png"),
    ],
)
def test_images_of_a_split_that_are_not_there_are_an_obstacle(name, image, tmp_path):
    write(name, tmp_path)
    build(name, tmp_path)
    assert not list(loading.obstacles(name, tmp_path))
    (tmp_path / DATASETS[name].folder / image).unlink()
    found = list(loading.obstacles(name, tmp_path))
    assert len(found) == (2 if name == "cuhk03" else 1)  # of the classic and the new protocol
    assert f"1 images of {name} that " in found[0].text
    assert found[0].details == [image]
    assert not list(loading.obstacles(name, tmp_path, absent=False))
    check_data(tmp_path, name, "--fix-splits")  # which cannot mend it
    assert list(loading.obstacles(name, tmp_path)) == found


def test_new_persons_of_ilids_and_other_files_beside_the_images(tmp_path):
    write("ilids", tmp_path)
    build("ilids", tmp_path)
    folder = tmp_path / "ilids" / "i-LIDS_Pedestrian" / "Persons"
    (folder / "notes.txt").touch()
    (folder / "montage.jpg").touch()
    assert not list(loading.obstacles("ilids", tmp_path))
    (folder / "0120001.jpg").write_bytes((folder / "0001001.jpg").read_bytes())
    (obstacle,) = loading.obstacles("ilids", tmp_path)
    assert obstacle.details == ["i-LIDS_Pedestrian/Persons/0120001.jpg"]


@pytest.mark.parametrize("name", ["viper", "prid", "ilids"])
def test_a_damaged_split_file_is_an_obstacle_and_put_aside(name, tmp_path):
    write(name, tmp_path)
    file = tmp_path / DATASETS[name].folder / split_files.SPLIT_FILES[name][0]
    for content in ("", "[]", '[{"train": [], "query": [], "gallery": [], "test": []}]', "[[1]]"):
        file.write_text(content)
        (obstacle,) = loading.obstacles(name, tmp_path)
        says = (
            f"{re.escape(str(file))} is not a split file of torchreid .*--fix-splits puts it aside"
        )
        assert re.fullmatch(says, obstacle.text)
        check_data(tmp_path, name, "--fix-splits")
        assert not file.exists()
    assert len(list(file.parent.glob("*.old*"))) == 4
