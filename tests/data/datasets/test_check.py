"""The dataset checker, on miniatures of real datasets that are broken on purpose."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.data.datasets import check, layouts, loading
from ddan_torchreid.data.datasets.listing import FOLDERS
from ddan_torchreid.data.datasets.published import CUHK03_DETECTED, DATASETS
from ddan_torchreid.data.loose_images import read_image
from tests import miniatures, msmt17
from tests.data.datasets.roots import build, tree, write


@pytest.fixture
def market(tmp_path):
    """The folder of a Market-1501 of 14 persons."""
    write("market1501", tmp_path)
    return tmp_path / "market1501" / "Market-1501-v15.09.15"


def checked(root, name="market1501"):
    return check.check_published(name, root)


def findings(report):
    """Text of the problems and notes, numbers of the parts left out, with the details."""
    return {
        finding.text: [detail.replace(f"{report.place}{os.sep}", "") for detail in finding.details]
        for finding in [*report.problems, *report.notes]
        if not finding.text.startswith("the published numbers")
    }


def noise(path, seed, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def test_published_images_add_up():
    """To the images that the paper's recipe trains and tests on, and those of the background."""
    expected = {
        "cuhk02": 7_264, "dukemtmcreid": 36_411, "cuhksysu": 34_574,
        "market1501": 29_419 + 2_798,
        "viper": 1_264, "prid": 1_134, "grid": 1_275, "ilids": 476, "cuhk01": 3_884,
        "cuhk03": 0, "msmt17": 0,
    }  # fmt: skip
    found = {name: sum(part.images for part in each.parts) for name, each in DATASETS.items()}
    assert found == expected
    assert sum(images for images, _ in CUHK03_DETECTED.values()) == 14_097


@pytest.mark.parametrize("name", miniatures.SOURCES)
def test_the_checker_lists_what_torchreid_reads(name, tmp_path):
    write(name, tmp_path)
    dataset = build(name, tmp_path)
    shots = layouts.list_images(name, tmp_path).shots
    for split in FOLDERS:
        labels = {item[0]: item[1] for item in getattr(dataset, split)}
        if name == "cuhksysu" and split != "train":
            labels = {}  # torchreid fills query and gallery with an image of training
        found = [shot for shot in shots if shot.split == split]
        assert {shot.path for shot in found} == labels.keys()
        pairs = {(shot.pid, labels[shot.path]) for shot in found}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_a_whole_dataset_has_no_problems_and_is_left_as_it_is(tmp_path):
    write("ilids", tmp_path)
    before = tree(tmp_path)
    report = checked(tmp_path, "ilids")
    assert not report.problems
    assert report.counts == [layouts.Count("images", 476, 119, 476, 119)]
    assert len(report.digests) == 476
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_is_not_there_is_not_downloaded(name, tmp_path):
    (problem,) = checked(tmp_path, name).problems
    assert problem.text == f"not there (get it: {DATASETS[name].source})"
    assert not list(loading.obstacles(name, tmp_path))
    assert not list(tmp_path.iterdir())


def test_numbers_are_held_against_the_published_ones(tmp_path, market):
    report = checked(tmp_path)
    assert report.counts == [
        ("train", 47, 8, 12_936, 751), ("query", 12, 6, 3_368, 750),
        ("gallery", 39, 7, 15_913, 751),
    ]  # fmt: skip
    text = "the published numbers differ for train, query, gallery; get the whole dataset"
    assert [problem.text for problem in report.problems] == [text]


def test_bad_images_are_named_with_the_reason(tmp_path, market):
    start = "bounding_box_train/9001_c1_"
    paths = [market / f"{start}{number}.jpg" for number in range(6)]
    noise(paths[0], seed=1)
    os.truncate(paths[0], 900)
    paths[1].write_bytes(b"")
    paths[2].write_text("a web page")
    paths[3].mkdir()
    paths[4].symlink_to("nowhere")
    Image.fromarray(np.full((32, 16), 0.5, np.float32)).save(paths[5], format="TIFF")
    broken = findings(checked(tmp_path))["6 images cannot be read, and stop training"]
    reasons = ("truncated", "empty", "no known image", "directory", "no such file", "known range")
    for number, (line, reason) in enumerate(zip(broken, reasons, strict=True)):
        assert f"{start}{number}.jpg (" in line
        assert reason in line


def test_what_the_reader_reads_is_no_problem(tmp_path):
    folder = tmp_path / "bounding_box_train"
    folder.mkdir()
    for number, suffix in enumerate((".webp", ".tif", ".gif", ".ppm", ".jfif", ".png")):
        noise(folder / f"{number}_c1_0{suffix}", seed=number)
        noise(folder / f"{number}_c2_0{suffix}", seed=10 + number)
    deep = Image.fromarray(np.arange(512, dtype=np.uint16).reshape(32, 16) * 128)
    deep.save(folder / "7_c1_0.png")
    deep.save(folder / "7_c2_0.jpg", format="TIFF", compression="tiff_lzw")  # content decides
    report = check.check_own("shop", str(tmp_path))
    assert report.counts[0][:3] == ("train", 14, 7)
    assert not report.problems
    for path in report.digests:
        assert len(np.unique(read_image(path))) > 100


def test_names_and_extensions_that_torchreid_does_not_read(tmp_path, market):
    for name in ("0003_c9.jpg", "0003.jpg", "0003_c1.png"):
        noise(market / "query" / name, seed=1)
    noise(market / "query" / "0003_c2.JPG", seed=2, format="JPEG")
    (market / "query" / "Thumbs.db").write_text("")
    (market / "query" / "._0003_c1.jpg").write_text("")
    found = findings(checked(tmp_path))
    names = {text: sorted(Path(line).name for line in lines) for text, lines in found.items()}
    assert names["2 images have a name that torchreid cannot read"] == ["0003.jpg", "0003_c9.jpg"]
    ignored = "2 images are ignored by torchreid because of their extension"
    assert names[ignored] == ["0003_c1.png", "0003_c2.JPG"]


def test_copies_across_splits_and_persons(tmp_path, market):
    train, query, gallery = (market / folder for folder in FOLDERS.values())
    noise(train / "0900_c1_1.jpg", seed=1)
    shutil.copy(train / "0900_c1_1.jpg", gallery / "0901_c2_1.jpg")
    noise(query / "0902_c1_1.jpg", seed=2)
    shutil.copy(query / "0902_c1_1.jpg", query / "0903_c1_1.jpg")
    noise(query / "0002_c1_1.jpg", seed=3)  # a person of training
    found = findings(checked(tmp_path))
    (line,) = found["1 images of train are in query or gallery too"]
    assert line.replace(f"{market.name}/", "") == (
        "bounding_box_train/0900_c1_1.jpg = bounding_box_test/0901_c2_1.jpg"
    )
    assert len(found["2 images have a copy that is filed under another person"]) == 2
    assert found["1 persons of train are in query or gallery too"] == ["0002"]
    (single,) = (lines for text, lines in found.items() if text.endswith("have one image only"))
    assert {"0900", "0901", "0902", "0903"} <= set(single)
    assert "0000" not in single


def test_images_that_two_datasets_share(tmp_path, market):
    write("cuhksysu", tmp_path)
    source = next((tmp_path / "cuhksysu" / "cropped_images").iterdir())
    noise(source, seed=5)
    copy = market / "query" / "0902_c1_1.jpg"
    shutil.copy(source, copy)
    (finding,) = check.shared_images([checked(tmp_path), checked(tmp_path, "cuhksysu")])
    assert f"{copy} = {source}" in finding.details
    assert "images are in market1501 and in cuhksysu: do not train on one" in finding.text


def test_an_empty_folder_and_a_damaged_split_file_are_problems(tmp_path):
    for camera in ("cam_a", "cam_b"):
        (tmp_path / "viper" / "VIPeR" / camera).mkdir(parents=True)
    (tmp_path / "viper" / "splits.json").write_text("[")
    numbers, split = checked(tmp_path, "viper").problems
    assert "the published numbers differ for cam_a, cam_b" in numbers.text
    assert "is not a split file of torchreid" in split.text


def test_cuhk03_before_and_after_torchreid_unpacks_it(tmp_path):
    write("cuhk03", tmp_path)
    packed = checked(tmp_path, "cuhk03")
    assert "the images are still packed" in packed.notes[0].text
    build("cuhk03", tmp_path)
    (tmp_path / "cuhk03" / "images_detected" / "1_001_1_01.png").unlink()
    report = checked(tmp_path, "cuhk03")
    assert report.counts == packed.counts
    (line,) = findings(report)["1 images cannot be read, and stop training"]
    assert line == "images_detected/1_001_1_01.png (no such file)"
    (tmp_path / "cuhk03" / "cuhk03_new_protocol_config_detected.mat").write_bytes(b"?" * 600)
    damaged = checked(tmp_path, "cuhk03")
    assert "is not the new protocol of CUHK03" in damaged.problems[0].text


@pytest.mark.parametrize("version", ["MSMT17_V1", "MSMT17_V2"])
def test_the_lists_of_msmt17_are_read_as_torchreid_reads_them(version, tmp_path):
    msmt17.write_msmt17(tmp_path)
    if version == "MSMT17_V2":
        base = tmp_path / "msmt17" / "MSMT17_V1"
        for half in ("train", "test"):
            (base / half).rename(base / f"mask_{half}_v2")
        base.rename(base.with_name(version))
    dataset = build("msmt17", tmp_path, combineall=True)
    shots = layouts.list_images("msmt17", tmp_path).shots
    for split in ("query", "gallery"):
        found = {(shot.path, int(shot.camera) - 1) for shot in shots if shot.split == split}
        assert found == {(path, camera) for path, _, camera, *_ in getattr(dataset, split)}
    # combineall trains on everyone: what torchreid trains on otherwise, the validation, and tests.
    assert {shot.path for shot in shots} == {item[0] for item in dataset.train}
    report = checked(tmp_path, "msmt17")
    assert [count[:3] for count in report.counts] == [
        ("train", 24, 6), ("val", 4, 4), ("query", 8, 4), ("gallery", 16, 4),
    ]  # fmt: skip
    (problem,) = report.problems  # persons of training and test have the same numbers, and are not
    assert problem.text.startswith("the published numbers differ for train, val, query, gallery")


def test_what_is_wrong_with_msmt17_is_named(tmp_path):
    msmt17.write_msmt17(tmp_path)
    base = tmp_path / "msmt17" / "MSMT17_V1"
    image = base / "train" / "0000" / "0000_000_01_0303morning_0008_0.jpg"
    image.unlink()
    assert any(
        image.name in detail
        for each in findings(checked(tmp_path, "msmt17")).values()
        for detail in each
    )
    lines = (base / "list_query.txt").read_text().splitlines()
    (base / "list_query.txt").write_text("\n".join([lines[0], "0001.jpg 1"]))
    (problem,) = checked(tmp_path, "msmt17").problems
    assert "list_query.txt, line 2: '0001.jpg 1' is no image with its person" in problem.text
    (base / "list_query.txt").unlink()
    (problem,) = checked(tmp_path, "msmt17").problems
    assert problem.details == [str(tmp_path / "msmt17" / "MSMT17_V*" / "list_query.txt")]


def test_own_data(small_root, tmp_path):
    assert not check.check_own("mall", str(small_root / "mall")).problems
    for folder, name in (("query", "1_c1.jpg"), ("bounding_box_test", "1_c1.jpg")):
        (tmp_path / folder).mkdir()
        noise(tmp_path / folder / name, seed=len(folder))
    (problem,) = check.check_own("shop", str(tmp_path)).problems
    assert "no query has a match: 1 of 1 show persons whose gallery images" in problem.text
