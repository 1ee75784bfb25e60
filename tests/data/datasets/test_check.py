"""The dataset checker, on miniatures of real datasets that are broken on purpose."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torchreid
from PIL import Image

from ddan_torchreid.data.datasets import check, layouts
from ddan_torchreid.data.datasets.published import CUHK03_DETECTED, DATASETS
from ddan_torchreid.data.loose_images import read_image
from tests import miniatures

PARTS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}


@pytest.fixture
def market(tmp_path):
    """The folder of a Market-1501 of 14 persons."""
    miniatures.write_market1501(tmp_path)
    return tmp_path / "market1501" / "Market-1501-v15.09.15"


def checked(market, **options):
    return check.check_published("market1501", market.parents[1], progress=False, **options)


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


def build(name, root):
    return torchreid.data.datasets.init_image_dataset(name, root=str(root), verbose=False)


def tree(root):
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file()
    }


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


def test_the_checker_lists_what_torchreid_reads(tmp_path):
    root = tmp_path
    for name in (*miniatures.SOURCES, "ilids"):
        getattr(miniatures, f"write_{name}")(root)
        dataset = build(name, root)
        shots = layouts.list_images(name, root).shots
        read = {split: {i[0] for i in getattr(dataset, split)} for split in PARTS}
        if name == "cuhksysu":  # torchreid fills query and gallery with an image of training
            read["query"] = read["gallery"] = set()
        if name == "ilids":  # drawn splits leave images out
            assert set().union(*read.values()) <= {shot.path for shot in shots}
            continue
        for split in PARTS:
            assert {shot.path for shot in shots if shot.split == split} == read[split], name
            labels = {item[0]: item[1] for item in getattr(dataset, split)}
            pairs = {(shot.pid, labels[shot.path]) for shot in shots if shot.split == split}
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), name


def test_a_whole_dataset_has_no_problems_and_is_left_as_it_is(tmp_path):
    miniatures.write_ilids(tmp_path)
    before = tree(tmp_path)
    report = check.check_published("ilids", tmp_path, workers=2, progress=False)
    assert not report.problems
    assert report.counts == [layouts.Count("images", 476, 119, 476, 119)]
    assert len(report.digests) == 476
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_is_not_there_is_not_downloaded(name, tmp_path):
    report = check.check_published(name, tmp_path, progress=False)
    assert report.problems[0].text.startswith("not there (get it: ")
    assert DATASETS[name].source in report.problems[0].text
    assert not list(tmp_path.iterdir())


def test_numbers_are_held_against_the_published_ones(market):
    report = checked(market)
    assert [count[:3] for count in report.counts] == [
        ("train", 47, 8), ("query", 12, 6), ("gallery", 39, 7),
    ]  # fmt: skip
    assert report.counts[0][3:] == (12_936, 751)
    text = "the published numbers differ for train, query, gallery; get the whole dataset"
    assert [problem.text for problem in report.problems] == [text]


def test_bad_images_are_named_with_the_reason(market):
    folder = market / "bounding_box_train"
    noise(folder / "9001_c1_1.jpg", seed=1)
    os.truncate(folder / "9001_c1_1.jpg", 900)
    (folder / "9001_c1_2.jpg").write_bytes(b"")
    (folder / "9001_c1_3.jpg").write_text("a web page")
    (folder / "9001_c1_4.jpg").mkdir()
    (folder / "9001_c1_5.jpg").symlink_to("nowhere")
    floats = Image.fromarray(np.full((32, 16), 0.5, np.float32))
    floats.save(folder / "9001_c1_6.jpg", format="TIFF")
    found = findings(checked(market))
    start = "bounding_box_train/9001_c1_"
    broken = found.pop("6 images cannot be read, and stop training")
    assert [line.partition(" (")[0][-len(start) - 5 :] for line in broken] == [
        f"{start}{i}.jpg" for i in range(1, 7)
    ]
    reasons = (
        "truncated",
        "empty",
        "no known image",
        "a directory",
        "no such file",
        "no known range",
    )
    for line, reason in zip(broken, reasons, strict=True):
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
    report = check.check_own("shop", str(tmp_path), progress=False)
    assert report.counts[0][:3] == ("train", 14, 7)
    assert not report.problems
    for path in report.digests:
        assert len(np.unique(read_image(path))) > 100


def test_names_and_extensions_that_torchreid_does_not_read(market):
    for part, name in (("query", "0003_c9.jpg"), ("query", "0003.jpg"), ("query", "0003_c1.png")):
        noise(market / part / name, seed=1)
    noise(market / "query" / "0003_c2.JPG", seed=2, format="JPEG")
    (market / "query" / "Thumbs.db").write_text("")
    (market / "query" / "._0003_c1.jpg").write_text("")
    found = findings(checked(market))
    names = {text: sorted(Path(line).name for line in lines) for text, lines in found.items()}
    assert names["2 images have a name that torchreid cannot read"] == ["0003.jpg", "0003_c9.jpg"]
    ignored = "2 images are ignored by torchreid because of their extension"
    assert names[ignored] == ["0003_c1.png", "0003_c2.JPG"]


def test_copies_across_splits_and_persons(market):
    noise(market / "bounding_box_train" / "0900_c1_1.jpg", seed=1)
    train = market / "bounding_box_train" / "0900_c1_1.jpg"
    shutil.copy(train, market / "bounding_box_test" / "0901_c2_1.jpg")
    noise(market / "query" / "0902_c1_1.jpg", seed=2)
    shutil.copy(market / "query" / "0902_c1_1.jpg", market / "query" / "0903_c1_1.jpg")
    noise(market / "query" / "0002_c1_1.jpg", seed=3)  # a person of training
    before = findings(checked(market))
    leak = "bounding_box_train/0900_c1_1.jpg = "
    (line,) = before["1 images of train are in query or gallery too"]
    assert leak in line
    assert line.endswith("bounding_box_test/0901_c2_1.jpg")
    assert len(before["2 images have a copy that is filed under another person"]) == 2
    assert before["1 persons of train are in query or gallery too"] == ["0002"]
    (single,) = (lines for text, lines in before.items() if text.endswith("have one image only"))
    assert {"0900", "0901", "0902", "0903"} <= set(single)
    assert "0000" not in single


def test_images_that_two_datasets_share(tmp_path, market):
    miniatures.write_cuhksysu(tmp_path)
    source = next((tmp_path / "cuhksysu" / "cropped_images").iterdir())
    noise(source, seed=5)
    copy = market / "query" / "0902_c1_1.jpg"
    shutil.copy(source, copy)
    reports = [
        check.check_published(name, tmp_path, progress=False) for name in ("market1501", "cuhksysu")
    ]
    (finding,) = check.shared_images(reports)
    assert f"{copy} = {source}" in finding.details
    assert "images are in market1501 and in cuhksysu: do not train on one" in finding.text


def test_an_empty_folder_and_a_damaged_split_file_are_problems(tmp_path):
    for camera in ("cam_a", "cam_b"):
        (tmp_path / "viper" / "VIPeR" / camera).mkdir(parents=True)
    (tmp_path / "viper" / "splits.json").write_text("[")
    numbers, split = check.check_published("viper", tmp_path, progress=False).problems
    assert "the published numbers differ for cam_a, cam_b" in numbers.text
    assert "is not a split file of torchreid" in split.text


def test_cuhk03_before_and_after_torchreid_unpacks_it(tmp_path):
    miniatures.write_cuhk03(tmp_path)
    packed = check.check_published("cuhk03", tmp_path, progress=False)
    assert "the images are still packed" in packed.notes[0].text
    build("cuhk03", tmp_path)
    (tmp_path / "cuhk03" / "images_detected" / "1_001_1_01.png").unlink()
    report = check.check_published("cuhk03", tmp_path, progress=False)
    assert report.counts == packed.counts
    (line,) = findings(report)["1 images cannot be read, and stop training"]
    assert line == "images_detected/1_001_1_01.png (no such file)"
    (tmp_path / "cuhk03" / "cuhk03_new_protocol_config_detected.mat").write_bytes(b"?" * 600)
    damaged = check.check_published("cuhk03", tmp_path, progress=False)
    assert "is not the new protocol of CUHK03" in damaged.problems[0].text


def test_own_data(small_root, tmp_path):
    assert not check.check_own("mall", str(small_root / "mall"), progress=False).problems
    for folder, name in (("query", "1_c1.jpg"), ("bounding_box_test", "1_c1.jpg")):
        (tmp_path / folder).mkdir()
        noise(tmp_path / folder / name, seed=len(folder))
    (problem,) = check.check_own("shop", str(tmp_path), progress=False).problems
    assert "no query has a match: 1 of 1 show persons whose gallery images" in problem.text
