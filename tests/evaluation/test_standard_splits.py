"""The single-shot splits of the four targets."""

import json
import os
import shutil

import pytest
import torchreid

from ddan_torchreid.evaluation.splits import STANDARD_SIZES
from ddan_torchreid.evaluation.standard_splits import NAMES, draw_splits, torchreid_splits

# Of ten splits with seed 0 of the miniatures. They must never change, nor differ between machines.
SHA256 = {
    "viper": "37e0d44a6545ca0c",
    "prid": "57ff28f37682501b",
    "grid": "e6ca788f620d7cf1",
    "ilids": "e69578f35200a0e1",
}


def images(split):
    return {image.path for image in split.query}, {image.path for image in split.gallery}


@pytest.mark.parametrize("name", NAMES)
def test_ten_splits_have_the_sizes_of_the_benchmark(name, real_root):
    drawn = draw_splits(name, real_root, 10)
    assert len(drawn.splits) == (20 if name == "viper" else 10)
    assert drawn.note == ""
    for split in drawn.splits:
        assert (len(split.query), len(split.gallery)) == STANDARD_SIZES[name]
        query, gallery = images(split)
        assert not query & gallery
        assert all((drawn.folder / path).is_file() for path in query | gallery)
        # Single-shot: each query has one match, seen by another camera.
        cameras = {image.pid: image.camid for image in split.query}
        assert len(cameras) == len(split.query)
        matches = [image for image in split.gallery if image.pid in cameras]
        assert {image.pid for image in matches} == cameras.keys()
        assert len(matches) == len(cameras)
        assert all(cameras[image.pid] != image.camid for image in matches)
    assert len({split.query for split in drawn.splits}) == len(drawn.splits)
    assert drawn.sha256.startswith(SHA256[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_split_depends_on_dataset_seed_and_number_only(name, real_root):
    ten, two = draw_splits(name, real_root, 10), draw_splits(name, real_root, 2)
    assert ten.splits[: len(two.splits)] == two.splits
    other = draw_splits(name, real_root, 10, seed=1)
    # GRID's are its own partitions.
    assert (other.sha256 == ten.sha256) == (name == "grid")


def test_viper_goes_both_ways(real_root):
    one, other = draw_splits("viper", real_root, 1).splits
    assert (one.query, one.gallery) == (other.gallery, other.query)
    assert {image.camid for image in one.query} == {0}
    assert (one.name, other.name) == ("1 cam_a to cam_b", "1 cam_b to cam_a")


@pytest.mark.parametrize("name", NAMES)
def test_torchreids_splits_are_its_own(name, real_root):
    classes = [
        torchreid.data.datasets.init_image_dataset(
            name, root=str(real_root), split_id=number, verbose=False
        )
        for number in range(20 if name == "viper" else 10)
    ]
    stored = torchreid_splits(name, real_root, 10)
    assert len(stored.splits) == len(classes)
    for split, dataset in zip(stored.splits, classes, strict=True):
        for part, items in ((split.query, dataset.query), (split.gallery, dataset.gallery)):
            found = {os.path.realpath(stored.folder / image.path): image for image in part}
            read = {os.path.realpath(path): (pid, camid) for path, pid, camid, *_ in items}
            assert found.keys() == read.keys()
            assert all(found[path].camid == camid for path, (_, camid) in read.items())
            # The persons may have other numbers, but the same images belong together.
            persons = {(found[path].pid, pid) for path, (pid, _) in read.items()}
            assert len(persons) == len({pid for pid, _ in persons})
            assert len(persons) == len({pid for _, pid in persons})


def test_torchreids_splits_survive_a_moved_data_root(real_root, tmp_path):
    torchreid.data.datasets.init_image_dataset("viper", root=str(real_root), verbose=False)
    shutil.copytree(real_root / "viper", tmp_path / "viper")
    file = tmp_path / "viper" / "splits.json"
    splits = json.loads(file.read_bytes())
    for split in splits:
        for part in ("query", "gallery"):
            split[part] = [
                ["D:\\reid\\" + "\\".join(path.split("/")[-4:]), pid, camid]
                for path, pid, camid in split[part]
            ]
    file.write_text(json.dumps(splits))
    assert torchreid_splits("viper", tmp_path, 3).sha256 == (
        torchreid_splits("viper", real_root, 3).sha256
    )


def test_fewer_images_are_reported(real_root, tmp_path):
    shutil.copytree(real_root / "viper", tmp_path / "viper")
    for camera in ("cam_a", "cam_b"):
        for image in sorted((tmp_path / "viper" / "VIPeR" / camera).iterdir())[20:]:
            image.unlink()
    drawn = draw_splits("viper", tmp_path, 2)
    assert {(len(split.query), len(split.gallery)) for split in drawn.splits} == {(10, 10)}
    assert "viper has 10/10 query and gallery images in a split instead of 316/316" in drawn.note


def test_what_is_not_there_is_named(real_root, tmp_path):
    with pytest.raises(FileNotFoundError, match="ilids is not under the data root"):
        draw_splits("ilids", tmp_path, 10)
    with pytest.raises(ValueError, match="grid has 10 splits; write 10 or fewer, not 11"):
        draw_splits("grid", real_root, 11)
    shutil.copytree(real_root / "ilids", tmp_path / "ilids")
    (tmp_path / "ilids" / "splits.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match="torchreid has not drawn the splits of ilids"):
        torchreid_splits("ilids", tmp_path, 10)
    for content in ("[]", "[1]", "{", "[{}]", '[{"query": ["0.jpg"], "gallery": []}]', "null"):
        (tmp_path / "ilids" / "splits.json").write_text(content)
        with pytest.raises(ValueError, match="torchreid|has 0 splits") as error:
            torchreid_splits("ilids", tmp_path, 1)
        assert "\n" not in str(error.value)


def test_damaged_partitions_of_grid(real_root, tmp_path):
    shutil.copytree(real_root / "grid", tmp_path / "grid")
    (tmp_path / "grid" / "underground_reid" / "features_and_partitions.mat").write_bytes(b"0" * 99)
    with pytest.raises(ValueError, match="does not hold GRID's partitions"):
        draw_splits("grid", tmp_path, 10)
