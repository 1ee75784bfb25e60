"""The file of splits: the same on every machine, and nothing else is taken for one."""

import dataclasses
import json
import shutil

import pytest

from ddan_torchreid.evaluation.splits import Split, own_split, read_splits
from ddan_torchreid.evaluation.standard_splits import draw_splits


@pytest.fixture(scope="module")
def drawn(real_root):
    return draw_splits("ilids", real_root, 3)


@pytest.fixture
def file(drawn, tmp_path):
    drawn.write(tmp_path / "ilids.json")
    return tmp_path / "ilids.json"


def test_what_is_written_is_read(drawn, file):
    assert read_splits(file, "ilids", drawn.folder) == drawn
    assert str(drawn.folder) not in file.read_text()


def test_the_hash_follows_images_and_labels_only(drawn):
    first, *others = drawn.splits
    renamed = Split("renamed", first.query[::-1], first.gallery[::-1])
    same = dataclasses.replace(drawn, origin="elsewhere", splits=(renamed, *others))
    assert same.sha256 == drawn.sha256
    moved = first.query[0]._replace(camid=9)
    changed = Split(first.name, (moved, *first.query[1:]), first.gallery)
    for splits in ((changed, *others), (others[0], first, others[1]), (first, *others[:1])):
        assert dataclasses.replace(drawn, splits=splits).sha256 != drawn.sha256


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: c | {"dataset": "prid"}, "hash"),
        (lambda c: c | {"format": "other 2"}, "format is 'other 2'"),
        (lambda c: c | {"splits": c["splits"][:1]}, "hash"),
        (lambda c: c | {"splits": []}, "no split"),
        (lambda c: c | {"splits": [{**c["splits"][0], "query": []}]}, "no query"),
        (lambda c: c | {"splits": [{**c["splits"][0], "query": [["a"]]}]}, "not a file of splits"),
        (lambda c: c | {"splits": [{**c["splits"][0], "query": [["../a", 1, 1]]}]}, "../a"),
        (lambda c: c | {"splits": [{**c["splits"][0], "query": [["/etc/a", 1, 1]]}]}, "/etc"),
        (lambda c: c | {"splits": [{**c["splits"][0], "query": [["a", "1", 1]]}]}, "numbers"),
        (lambda c: [], "not a file of splits"),
        (lambda c: {}, "not a file of splits"),
    ],
)
def test_a_changed_file_is_refused(edit, says, drawn, file):
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))
    with pytest.raises(ValueError) as error:
        read_splits(file, "ilids", drawn.folder)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_files_and_images_that_are_not_there(drawn, file, tmp_path):
    with pytest.raises(ValueError, match="holds splits of ilids, not of viper"):
        read_splits(file, "viper", drawn.folder)
    with pytest.raises(FileNotFoundError, match="no splits of ilids"):
        read_splits(tmp_path / "other.json", "ilids", drawn.folder)
    shutil.copytree(drawn.folder, tmp_path / "ilids")
    (tmp_path / "ilids" / drawn.images()[0]).unlink()
    with pytest.raises(FileNotFoundError, match="1 images of the splits"):
        read_splits(file, "ilids", tmp_path / "ilids")


def test_images_can_be_left_out(drawn):
    gone = drawn.splits[0].query[0].path
    smaller = drawn.without({gone})
    assert gone not in smaller.images()
    assert smaller.note
    with pytest.raises(ValueError, match="has no readable images"):
        drawn.without({image.path for image in drawn.splits[1].query})


def test_a_datasets_own_split_keeps_its_order(tmp_path):
    query = [(str(tmp_path / "b" / "2.jpg"), 4, 1, 0), (str(tmp_path / "b" / "1.jpg"), 3, 0, 0)]
    gallery = [(str(tmp_path / "a" / "x" / "3.jpg"), 4, 2, 0)]
    own = own_split("mine", query, gallery)
    assert own.folder == tmp_path
    assert own.splits[0].query == (("b/2.jpg", 4, 1), ("b/1.jpg", 3, 0))
    assert own.splits[0].gallery == (("a/x/3.jpg", 4, 2),)
    assert own.note == ""
