"""Downloads: torchreid's layout, whole or not at all."""

import os
from pathlib import Path

import gdown
import pytest
import torchreid

from ddan_torchreid.data.datasets.download import FILE_IDS, download
from ddan_torchreid.data.datasets.published import DATASETS
from tests.data.datasets.archives import CROPS, crops, files_below, served, tarred, zipped

PERSONS = [f"{person:04d}{number:03d}.jpg" for person in range(1, 120) for number in range(1, 5)]


def test_links_are_those_of_the_readme_and_not_of_dukemtmc():
    assert FILE_IDS == {
        "cuhksysu": "1yoQOTp--ULGPct6erCsAQ_hd46hENE5G",
        "ilids": "1_2bYbnH0GIDE6BfjZdtWVQE2nK134ZLi",
        "ddan-weights": "1ece571WcZ3ietIfDqA31yZ1loe0GfBka",
    }
    counts = {name: DATASETS[name].parts[0][4:6] for name in ("cuhksysu", "ilids")}
    assert counts == {"cuhksysu": (34_574, 11_934), "ilids": (476, 119)}
    with pytest.raises(ValueError, match="no download 'dukemtmcreid'; write one of cuhksysu, il"):
        download("dukemtmcreid", "root")


@pytest.mark.parametrize(
    "content",
    [
        zipped(crops()),
        zipped(crops("")),
        tarred(crops()),
        tarred(crops("./deep/er/images"), mode="w"),
        tarred(crops() | {"README": b"text", "CUHK-SYSU/samples/p1_s3_1.jpg": b"other"}),
        zipped(crops() | {"__MACOSX/CUHK-SYSU/cropped_images/._p1_s3_1.jpg": b"resource fork"}),
    ],
    ids=["zip", "flat zip", "tgz", "tar", "with other files", "made on a Mac"],
)
def test_crops_of_cuhksysu(content, small_cuhksysu, tmp_path, capsys):
    folder = served("cuhksysu", tmp_path, content)
    assert folder == tmp_path / "cuhksysu" / "cropped_images"
    assert sorted(os.listdir(folder)) == sorted(CROPS)
    for name in CROPS:
        assert (folder / name).read_bytes() == b"\xff\xd8" + name.encode()
    assert sorted(os.listdir(tmp_path)) == ["cuhksysu", "downloads"]
    assert "4 images of 3 persons" in capsys.readouterr().out

    data = torchreid.data.datasets.image.cuhksysu.CUHKSYSU(str(tmp_path)).train
    assert len(data) == 4
    assert len({item[1] for item in data}) == 3


def test_what_is_there_is_not_fetched_again(small_cuhksysu, tmp_path):
    folder = served("cuhksysu", tmp_path, zipped(crops()))
    assert served("cuhksysu", tmp_path) == folder
    (folder / CROPS[0]).unlink()
    with pytest.raises(FileExistsError, match="holds 3 images instead of 4; move it away"):
        served("cuhksysu", tmp_path)
    folder.rename(tmp_path / "away")
    folder.mkdir()  # torchreid leaves empty folders behind
    assert served("cuhksysu", tmp_path) == folder
    assert len(os.listdir(folder)) == 4


@pytest.mark.parametrize(
    "form", ["{:04d}{:03d}.jpg", "{}_c{}.jpg", "{:04d}_{}_x.jpg", "{:05d}_c{:03d}.jpg"]
)
def test_ilids_under_torchreids_names_and_those_that_the_authors_code_reads(form, tmp_path):
    files = {
        f"iLIDS/images/{form.format(person, camera)}": f"{person} {camera}".encode()
        for person in range(1, 120)
        for camera in range(1, 5)
    }
    folder = served("ilids", tmp_path, zipped(files))
    assert folder == tmp_path / "ilids" / "i-LIDS_Pedestrian" / "Persons"
    assert sorted(os.listdir(folder)) == PERSONS
    for name in PERSONS:
        assert (folder / name).read_text() == f"{int(name[:4])} {int(name[4:7])}"
    dataset = torchreid.data.datasets.image.ilids.iLIDS(str(tmp_path))
    assert len(dataset.query) == len(dataset.gallery) == 60


def test_cuhksysu_under_the_names_that_the_authors_code_reads(small_cuhksysu, tmp_path):
    names = ["00001_c1_0.jpg", "00001_c1_1.jpg", "00022_c1_0.jpg", "11422_c1_0.jpg"]
    folder = served("cuhksysu", tmp_path, zipped(crops("train", names)))
    assert sorted(os.listdir(folder)) == names


@pytest.mark.parametrize(
    ("names", "found"),
    [(CROPS[:3], "3 images of 2 persons"), ([*CROPS, "p1_s9_1.jpg"], "5 images of 3 persons")],
)
def test_wrong_count_keeps_the_download(names, found, small_cuhksysu, tmp_path):
    content = zipped(crops(names=names))
    for answer in (content, None):
        with pytest.raises(ValueError, match=found) as caught:
            served("cuhksysu", tmp_path, answer)
        assert "instead of 4 of 3" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == ["downloads/cuhksysu"]
    assert (tmp_path / "downloads" / "cuhksysu").read_bytes() == content


def _raise(*args: object, **kwargs: object) -> None:
    raise RuntimeError("\n\nToo many users have viewed this file\nrecently.")


def _page(*args: object, **kwargs: object) -> None:
    Path(str(kwargs["output"])).write_text("<!DOCTYPE html>")


@pytest.mark.parametrize("name", FILE_IDS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_raise, "(Too many users have viewed this file)"),
        (_page, "(Google Drive answered with a page instead of the file)"),
        (lambda **kwargs: None, "(nothing was saved)"),
    ],
    ids=["error", "page", "nothing"],
)
def test_failed_download_says_how_to_do_it_by_hand(name, answer, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(gdown, "download", answer)
    with pytest.raises(FileNotFoundError) as caught:
        download(name, tmp_path)
    message = str(caught.value)
    assert reason in message
    assert f"https://drive.google.com/file/d/{FILE_IDS[name]}/view" in message
    assert f"save the file as {tmp_path / 'downloads' / name} and run this again" in message
    assert "\n" not in message
    assert files_below(tmp_path) == []


def test_weights_are_fetched_once(tmp_path):
    for content in (b"\x80\x02weights", None):
        file = served("ddan-weights", tmp_path, content)
        assert file == tmp_path / "downloads" / "ddan-weights"
        assert file.read_bytes() == b"\x80\x02weights"
    assert files_below(tmp_path) == ["downloads/ddan-weights"]
