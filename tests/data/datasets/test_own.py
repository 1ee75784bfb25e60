"""Own folders and CSV files as torchreid datasets."""

import csv
import pickle

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.data.datasets.listing import read
from ddan_torchreid.data.datasets.own import OwnDataset, dataset_class, dataset_classes


def save(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 4, 3), value, np.uint8)).save(path)


def write_csv(file, rows, header="path,pid,camid"):
    """A CSV file and the images that it lists."""
    for row in rows:
        save(file.parent / row[0])
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return str(file)


def paths(file, cells):
    """The paths that a CSV file with these cells is read as."""
    file.write_text("path,pid,camid\n" + "".join(f"{cell},a,1\n" for cell in cells))
    return [shot.path for shot in read(str(file))[1]]


def names(items):
    return sorted(item[0].rpartition("/")[2] for item in items)


def test_parts_that_are_not_needed_may_be_missing(tmp_path):
    save(tmp_path / "source" / "bounding_box_train" / "anna_chen_c2_1.PNG")
    save(tmp_path / "source" / "bounding_box_train" / "7_c1.bmp")
    save(tmp_path / "source" / "bounding_box_train" / "._7_c1.bmp.png")
    for folder, name in (("query", "7_c1.jpg"), ("bounding_box_test", "7_c12s3.jpeg")):
        save(tmp_path / "target" / folder / name)

    source = dataset_class("source", str(tmp_path / "source"))
    assert len(source(combineall=True).train) == len(source().train) == 2
    assert source().num_train_cams == source().num_train_pids == 2
    with pytest.raises(ValueError, match="source cannot be a target: it has no query images"):
        source(mode="query")
    target = dataset_class("target", str(tmp_path / "target"))
    assert len(target(mode="gallery")) == 1
    with pytest.raises(ValueError, match=r"no training images; .* write data\.combineall"):
        target()
    both = target(combineall=True)
    assert names(both.train) == ["7_c1.jpg", "7_c12s3.jpeg"]
    assert both.num_train_pids == 1  # one pid is one person, whatever the split


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (["7", "7.0", "7.00", "+7", "7.", "0007", " 7 ", "8"], ["7"] * 7 + ["8"]),
        (["7e0", "7", "0e0", "70E-1", "3e+02"], ["7", "7", "0", "7", "300"]),
        # Beside texts an exponent is one, as hexadecimal names of persons have it.
        (["0e10", "0e11", "1a10", "anna", "7.0"], ["0e10", "0e11", "1a10", "anna", "7"]),
    ],
)
def test_equal_whole_numbers_are_one_however_a_spreadsheet_writes_them(written, read_as, tmp_path):
    rows = [(f"{i}.jpg", cell, cell, cell) for i, cell in enumerate(written)]
    file = write_csv(tmp_path / "x.csv", rows, "path,pid,camid,domain")
    for domain, number in zip(written, read_as, strict=True):
        _, shots = read(f"{file}#{domain.strip()}")
        expected = [(number, number)] * read_as.count(number)
        assert [(shot.pid, shot.camera) for shot in shots] == expected


def test_background_and_junk(tmp_path):
    rows = [
        ("0.jpg", "0.0", "1.0", "gallery"), ("1.jpg", "7.0", "1.0", "query"),
        ("2.jpg", "7", "2", "gallery"), ("3.jpg", "-1.00", "1", "gallery"),
        ("4.jpg", "9", "1", "train"),
    ]  # fmt: skip
    file = write_csv(tmp_path / "x.csv", rows, "path,pid,camid,split")
    dataset = dataset_class("mine", file)(combineall=True)
    assert names(dataset.gallery) == ["0.jpg", "2.jpg"]
    assert names(dataset.train) == ["1.jpg", "2.jpg", "4.jpg"]
    assert dataset.num_train_pids == 2
    # A person of number 0 is one where training has images of it too.
    rows.append(("5.jpg", "0", "1", "train"))
    file = write_csv(tmp_path / "x.csv", rows, "path,pid,camid,split")
    assert names(dataset_class("mine", file)(combineall=True).train)[0] == "0.jpg"


@pytest.mark.parametrize("pids", [("3.1", "3.10"), ("7,0", "8"), ("1.23457E+11", "8")])
def test_a_number_that_a_spreadsheet_may_have_spoilt_is_refused_by_its_row(pids, tmp_path):
    file = write_csv(tmp_path / "x.csv", [(f"{i}.jpg", pid, "1") for i, pid in enumerate(pids)])
    says = r"x\.csv, line [23]: pid .* write whole numbers, or texts"
    with pytest.raises(ValueError, match=says):
        read(file)


def test_a_path_behind_a_link_is_the_systems(tmp_path):
    save(tmp_path / "else" / "x.jpg")
    save(tmp_path / "else" / "both.jpg", 1)
    save(tmp_path / "table" / "both.jpg", 2)
    (tmp_path / "else" / "deep").mkdir()
    (tmp_path / "table" / "link").symlink_to(tmp_path / "else" / "deep")
    (tmp_path / "table" / "folder").mkdir()
    file = tmp_path / "table" / "x.csv"
    assert paths(file, ["link/../x.jpg", "link/../both.jpg", "folder/../both.jpg"]) == [
        str(tmp_path / name) for name in ("else/x.jpg", "else/both.jpg", "table/both.jpg")
    ]
    with pytest.raises(ValueError, match="line 3: .* is on line 2 too"):
        paths(file, ["link/../x.jpg", "./link/../../else/deep/../x.jpg"])


def test_backslashes_of_a_windows_table(tmp_path):
    images = [tmp_path / name for name in ("crops/1.jpg", "crops/deep/2.jpg", "odd\\name.jpg")]
    for image in images:
        save(image)
    file, cells = tmp_path / "x.csv", ["crops\\1.jpg", ".\\crops\\deep\\2.jpg", "odd\\name.jpg"]
    assert paths(file, cells) == list(map(str, images))
    with pytest.raises(FileNotFoundError) as error:
        paths(file, ["C:\\data\\1.jpg"])
    says = r"line 2: there is no image C:\data\1.jpg; write paths relative to"
    assert str(error.value) == f"{file}, {says} {tmp_path}, with /"


def test_csv_with_splits(tmp_path):
    rows = [
        ("a/1.jpg", "Zoë", "01", "train"),
        ("a/2.jpg", "Zoë", "1", "train"),
        ("b/3.jpg", "x, y", "entrance", "query"),
        ("b/4.png", "x, y", "exit", "gallery"),
    ]
    file = write_csv(tmp_path / "crops.csv", rows, "path,pid,camid,split")
    dataset = dataset_class("crops", file)(mode="query")
    assert dataset.train == [(str(tmp_path / f"a/{i}.jpg"), 0, 0, 0) for i in (1, 2)]
    assert [item[2] for item in dataset.query + dataset.gallery] == [1, 2]
    assert dataset[0]["img"].size == (4, 8)


def test_a_table_program_may_have_written_the_csv(tmp_path):
    save(tmp_path / "1.jpg")
    content = "\ufeffframe, path, pid, camid\r\n12,1.jpg,-,1\r\n\r\n"
    (tmp_path / "crops.csv").write_bytes(content.encode())
    assert len(dataset_class("crops", str(tmp_path / "crops.csv"))()) == 1


def test_without_splits_there_is_one_query_for_each_person_of_two_cameras(tmp_path):
    rows = [
        (f"{pid}_{camera}_{i}.jpg", pid, camera)
        for pid, cameras in (("a", (1, 2)), ("b", (1, 2, 3)), ("c", (3,)))
        for camera in cameras
        for i in range(2)
    ]
    own = dataset_class("crops", write_csv(tmp_path / "one" / "crops.csv", rows))
    assert not own.is_split
    assert len(own(combineall=True).train) == len(own().train) == len(rows)
    target = own(mode="query")
    assert sorted(name[0] for name in names(target.query)) == ["a", "b"]
    assert names(target.query + target.gallery) == sorted(row[0] for row in rows)
    # The same wherever the file lies and however its lines are ordered.
    moved = dataset_class("crops", write_csv(tmp_path / "two" / "c.csv", rows[::-1]))
    assert names(moved(mode="query").query) == names(target.query)
    single = dataset_class("crops", write_csv(tmp_path / "crops.csv", rows[-1:]))
    with pytest.raises(ValueError, match="no person in .* is seen by two cameras"):
        single(mode="query")


def test_domains_of_one_file(tmp_path):
    rows = [
        ("1.jpg", "a", "1", "north"),
        ("2.jpg", "a", "2", "south"),
        ("3.jpg", "b", "2", "south"),
    ]
    file = write_csv(tmp_path / "crops.csv", rows, "path,pid,camid,domain")
    classes = dataset_classes([f"north={file}#north", f"south={file}#south"], known=["viper"])
    assert [len(each().train) for each in classes.values()] == [1, 2]
    for path, says in (
        (file, "has the domains north, south; write, for example, NAME=crops.csv#north"),
        (f"{file}#west", "has the domains north, south"),
    ):
        with pytest.raises(ValueError, match=says):
            dataset_class("all", path)
    plain = write_csv(tmp_path / "plain.csv", [row[:3] for row in rows])
    with pytest.raises(ValueError, match="has no column domain"):
        dataset_class("all", f"{plain}#north")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no column path, pid, camid; .* but is empty"),
        ("path,person,camid\n", "has no column pid"),
        ("path,pid,camid\n", "lists no images"),
        ("path,pid,camid\n1.jpg,a,1\n1.jpg,,1\n", "line 3: pid is empty"),
        ("path,pid,camid\n1.jpg,a\n", "line 2: camid is empty"),
        ("path,pid,camid\n1.jpg,a,1,2\n", "line 2 has more cells than the header"),
        ("path,pid,camid\n2.jpg,a,1\n", "line 2: there is no image"),
        ("path,pid,camid\n1.jpg,a,1\n./1.jpg,b,1\n", "line 3: .* is on line 2 too"),
        ("path,pid,camid,split\n1.jpg,a,1,test\n", "split 'test' is unknown; write train, query"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
    ],
)
def test_bad_csv_is_one_line(content, says, tmp_path):
    save(tmp_path / "1.jpg")
    file = tmp_path / "crops.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
        dataset_class("crops", str(file))
    assert "\n" not in str(error.value)


def test_bad_folder_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no "):
        dataset_class("mine", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="has no images"):
        dataset_class("mine", str(tmp_path))
    with pytest.raises(ValueError, match="is a folder, which has no domains"):
        dataset_class("mine", f"{tmp_path}#north")
    save(tmp_path / "query" / "0001.jpg")
    with pytest.raises(ValueError, match=r"0001\.jpg is not named PID_cCAMERA"):
        dataset_class("mine", str(tmp_path))


@pytest.mark.parametrize("flag", ["shop", "=x", "shop=", "my shop=x", "a.b=x", "-s=x"])
def test_bad_flag(flag):
    with pytest.raises(ValueError, match="is not NAME=PATH"):
        dataset_classes([flag], known=[])


def test_names_are_unique(tmp_path):
    flag = f"shop={write_csv(tmp_path / 'crops.csv', [('1.jpg', 'a', '1')])}"
    for flags, known in (([flag], ["shop"]), ([flag, flag], [])):
        with pytest.raises(ValueError, match="this name is taken"):
            dataset_classes(flags, known)


def test_it_reaches_worker_processes_that_are_spawned(tmp_path):
    own = dataset_class("shop", write_csv(tmp_path / "crops.csv", [("1.jpg", "a", "1")]))
    copy = pickle.loads(pickle.dumps(own(verbose=False)))
    assert isinstance(copy, OwnDataset)
    assert copy[0]["impath"] == str(tmp_path / "1.jpg")
