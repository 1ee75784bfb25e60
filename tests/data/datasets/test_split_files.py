"""Split files that hold paths of another data root, as torchreid wrote them."""

import json
import os

import pytest
import torchreid

from ddan_torchreid.data.datasets import check, split_files
from tests import miniatures

PARTS = ("train", "query", "gallery")


def build(name, root):
    return torchreid.data.datasets.init_image_dataset(name, root=str(root), verbose=False)


def moved_root(tmp_path, name):
    """A data root that moved after torchreid wrote its split files, and the dataset as it was."""
    getattr(miniatures, f"write_{name}")(tmp_path / "old")
    before = build(name, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    return tmp_path / "new", before


@pytest.mark.parametrize(("name", "files"), [("viper", 1), ("grid", 1), ("cuhk03", 4)])
def test_stale_split_files_are_found_and_rewritten(name, files, tmp_path):
    root, before = moved_root(tmp_path, name)
    folder = root / name
    stale = split_files.stale_paths(name, folder)
    assert len(stale) == files
    problems = check.check_published(name, root, progress=False).problems
    assert sum("of its paths lead to another data root" in p.text for p in problems) == files
    contents = {file: file.read_text() for file in stale}
    for file, moves in stale.items():
        mode = file.stat().st_mode
        split_files.rewrite(file, moves)
        assert file.stat().st_mode == mode
        # Nothing but the root in the paths has changed.
        old, new = (json.dumps(f"{tmp_path / each}")[1:-1] for each in ("old", "new"))
        assert file.read_text() == contents[file].replace(old, new)
    assert not split_files.stale_paths(name, folder)
    after = build(name, root)
    for split in PARTS:
        for one, other in zip(getattr(before, split), getattr(after, split), strict=True):
            assert other == (one[0].replace("/old/", "/new/"), *one[1:])
        assert all(os.path.exists(item[0]) for item in getattr(after, split))


def write_split(folder, paths):
    rows = [[path, number, 0] for number, path in enumerate(paths)]
    content = [{"train": rows, "query": rows[:1], "gallery": rows[1:], "num_train_pids": 2}]
    folder.mkdir(exist_ok=True)
    (folder / "splits.json").write_text(json.dumps(content))
    return folder / "splits.json"


def test_a_split_file_is_left_alone_when_images_are_missing(tmp_path):
    file = write_split(tmp_path / "viper", ["/old/VIPeR/cam_a/0.bmp", "/old/VIPeR/cam_b/0.bmp"])
    before = file.read_bytes()
    (moves,) = split_files.stale_paths("viper", tmp_path / "viper").values()
    with pytest.raises(FileNotFoundError, match="2 of its images are not under the present root"):
        split_files.rewrite(file, moves)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["splits.json"]


def test_a_split_file_survives_a_failing_write(tmp_path, monkeypatch):
    image = tmp_path / "viper" / "VIPeR" / "0.bmp"
    image.parent.mkdir(parents=True)
    image.touch()
    file = write_split(tmp_path / "viper", ["/old/VIPeR/0.bmp"])
    before = file.read_bytes()
    (moves,) = split_files.stale_paths("viper", tmp_path / "viper").values()

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        split_files.rewrite(file, moves)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["VIPeR", "splits.json"]


def test_paths_of_windows_and_links_to_the_root(tmp_path):
    image = tmp_path / "new" / "viper" / "VIPeR" / "cam_a" / "000_0.bmp"
    image.parent.mkdir(parents=True)
    image.touch()
    folder = tmp_path / "new" / "viper"
    (tmp_path / "link").symlink_to(tmp_path / "new")
    linked = str(tmp_path / "link" / "viper" / "VIPeR" / "cam_a" / "000_0.bmp")
    windows = "D:\\data\\viper\\VIPeR\\cam_a\\000_0.bmp"
    file = write_split(folder, [windows, linked])
    assert split_files.stale_paths("viper", folder) == {file: {windows: image}}


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"train": []}]', '[{"train": [["a"]]}]'])
def test_a_damaged_split_file_is_one_line(content, tmp_path):
    (tmp_path / "splits.json").write_text(content)
    with pytest.raises(ValueError, match="is not a split file of torchreid") as error:
        split_files.stale_paths("grid", tmp_path)
    assert "\n" not in str(error.value)
