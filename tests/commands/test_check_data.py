"""``ddan-torchreid check-data``: what it prints, and its exit status."""

import json
import shutil

import pytest
from PIL import Image

from ddan_torchreid.cli import main
from tests import miniatures
from tests.commands.refused import refused


def check(capsys, *words):
    status = main(["check-data", *map(str, words)])
    return status, *capsys.readouterr()


def test_all_is_well(tmp_path, capsys):
    miniatures.write_ilids(tmp_path)
    status, output, _ = check(capsys, "--root", tmp_path)
    assert status == 0
    assert "  images       476 images of    119 persons  as published\n" in output
    assert output.endswith("no problems in 1 dataset\n")


def test_miniatures_have_fewer_images_than_published(real_root, capsys):
    status, output, _ = check(capsys, "--root", real_root, "dukemtmcreid", "ilids")
    assert status == 1
    assert "train         48 images of      6 persons  published: 16,522 of 702\n" in output
    assert "problem: the published numbers differ for train, query, gallery" in output
    assert "note: 1 of 12 persons have one image only\n" in output
    assert "7139" not in output
    assert output.endswith("1 of 2 datasets have problems: dukemtmcreid\n")
    _, everything, _ = check(capsys, "--root", real_root, "dukemtmcreid", "--all-files")
    assert "      7139\n" in everything


def test_a_few_files_are_named_and_the_others_counted(tmp_path, capsys):
    miniatures.write_cuhk02(tmp_path)
    broken = sorted((tmp_path / "cuhk02" / "Dataset" / "P1").rglob("*.png"))
    for path in broken:
        path.write_bytes(b"")
    status, output, _ = check(capsys, "--root", tmp_path)
    assert status == 1
    assert f"problem: {len(broken)} images cannot be read" in output
    assert output.count("(it is empty)") == 3
    assert "and 5 more (--all-files lists them)" in output
    assert "      Dataset/P1/cam1/001_01.png (it is empty)\n" in output
    _, everything, _ = check(capsys, "--root", tmp_path, "--all-files")
    assert everything.count("(it is empty)") == len(broken)
    broken[0].rename(broken[0].with_name("a\nb\x1b[31m.png"))
    _, everything, _ = check(capsys, "--root", tmp_path, "--all-files")
    assert "cam1/a\\nb\\x1b[31m.png" in everything


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["vipper"], "dataset 'vipper' is unknown; did you mean 'viper'?"),
        ([], "there is no known dataset under"),
        (["shop=nowhere.csv"], "nowhere.csv; give a CSV file or a folder of images"),
    ],
)
def test_bad_input_is_one_line(words, says, tmp_path, capsys):
    assert says in refused(["check-data", *words, "--root", tmp_path], capsys)


def test_own_data(small_root, tmp_path, capsys):
    for name in ("1.jpg", "2.jpg"):
        Image.new("RGB", (4, 8)).save(tmp_path / name)
    (tmp_path / "crops.csv").write_text("path,pid,camid\n1.jpg,a,1\n2.jpg,b,1\n")
    status, output, _ = check(capsys, f"shop={tmp_path}/crops.csv")
    assert status == 1
    assert "2 images of      2 persons" in output
    assert "1.jpg = " in output
    status, output, _ = check(capsys, *(f"{name}={small_root}/{name}" for name in ("mall", "snow")))
    assert status == 0
    assert "no problems in 2 datasets" in output


def test_fix_splits(tmp_path, capsys):
    miniatures.write_viper(tmp_path)
    viper = tmp_path / "viper"
    shutil.rmtree(viper / "VIPeR" / "cam_b")
    (viper / "VIPeR" / "cam_b").mkdir()
    for image in sorted((viper / "VIPeR" / "cam_a").iterdir())[3:]:
        image.unlink()
    rows = [[f"/old/viper/VIPeR/cam_a/{i:03d}_0.bmp", i, 0] for i in range(3)]
    split = viper / "splits.json"
    split.write_text(json.dumps([{"train": rows, "query": rows, "gallery": rows}]))
    _, output, _ = check(capsys, "--root", tmp_path, "viper")
    assert "note: splits.json: 3 of its paths lead to another data root" in output
    _, output, _ = check(capsys, "--root", tmp_path, "viper", "--fix-splits")
    assert f"{split}: 3 paths now lead to this root\n" in output
    assert "another data root" not in output
    assert f'"{viper}/VIPeR/cam_a/002_0.bmp"' in split.read_text()

    (viper / "VIPeR" / "cam_a" / "001_0.bmp").unlink()
    split.write_text(json.dumps([{"train": rows, "query": rows, "gallery": rows}]))
    status, output, _ = check(capsys, "--root", tmp_path, "viper", "--fix-splits")
    assert status == 1
    assert "is left as it is: 1 of its images are not under the present root" in output
    assert "problem: 1 images of viper that " in output
    assert "      VIPeR/cam_a/001_0.bmp\n" in output
