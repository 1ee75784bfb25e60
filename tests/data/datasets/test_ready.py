"""Whether torchreid can load a dataset, and what is left behind where it cannot."""

import os
import zipfile

import pytest
import torchreid

from ddan_torchreid.cli import main
from ddan_torchreid.data.datasets import check, ready
from ddan_torchreid.data.datasets.published import DATASETS
from tests import miniatures

PAGE = b"<!DOCTYPE html>\n<html><body>Sign in to download</body></html>\n" * 40
MATLAB = {
    "cuhk03": [
        "cuhk03_release/cuhk-03.mat",
        "cuhk03_new_protocol_config_detected.mat",
        "cuhk03_new_protocol_config_labeled.mat",
    ],
    "grid": ["underground_reid/features_and_partitions.mat"],
}


def manager(root, name):
    return torchreid.data.ImageDataManager(
        root=str(root), sources=[name], workers=0, use_gpu=False, batch_size_train=4
    )


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def evaluate(root, name, capsys):
    """What is said where the data cannot be loaded; the weights are not looked at before."""
    words = ["--root", str(root), "--weights", "model.pth.tar", "data.targets", f"['{name}']"]
    assert main(["evaluate", *words])
    return capsys.readouterr().err


@pytest.mark.parametrize(("name", "file"), [(n, f) for n, files in MATLAB.items() for f in files])
def test_a_page_instead_of_matlabs_file_has_one_answer(name, file, tmp_path, capsys):
    getattr(miniatures, f"write_{name}")(tmp_path)
    path = tmp_path / name / file
    path.write_bytes(PAGE)
    before = tree(tmp_path)
    says = f"{path} is not {name}'s MATLAB file; download it again"
    (obstacle,) = ready.obstacles(name, tmp_path)
    assert obstacle.text == says
    main(["doctor", "--root", str(tmp_path)])
    assert f"found, but {says}" in capsys.readouterr().out
    assert main(["check-data", name, "--root", str(tmp_path)]) == 1
    assert f"problem: {says}" in capsys.readouterr().out
    assert says in evaluate(tmp_path, name, capsys)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["viper", "market1501"])
def test_a_root_that_glob_interprets_is_refused_by_name(name, tmp_path, capsys):
    root = tmp_path / "data[1]"
    getattr(miniatures, f"write_{name}")(root)
    before = tree(root)
    says = f"torchreid cannot load {name} from below a folder with [, * or ? in its name"
    assert f"{says}; rename {root}" in evaluate(root, name, capsys)
    problems = check.check_published(name, root, progress=False).problems
    assert any(says in problem.text for problem in problems)
    assert tree(root) == before
    (tmp_path / "link").symlink_to(root)
    assert not list(ready.obstacles(name, tmp_path / "link"))
    assert len(manager(tmp_path / "link", name).train_loader.dataset)


def test_a_failed_load_leaves_nothing_behind(tmp_path):
    """By plain torchreid as well, which would believe its empty splits the next time."""
    root = tmp_path / "data[1]"
    for name in ("viper", "cuhk03", "grid"):
        getattr(miniatures, f"write_{name}")(root)
    (root / "cuhk03" / "cuhk03_release" / "cuhk-03.mat").write_bytes(PAGE)
    before = tree(root)
    for name in ("viper", "cuhk03", "grid"):
        with pytest.raises((OSError, IndexError)):
            manager(root, name)
        assert tree(root) == before, name
    with pytest.raises(RuntimeError):
        manager(tmp_path / "nowhere", "prid")
    assert not (tmp_path / "nowhere").exists()


def test_what_was_there_before_a_failed_load_stays(tmp_path):
    miniatures.write_viper(tmp_path)
    file = tmp_path / "viper" / "splits.json"
    file.write_text("[]")
    with pytest.raises(ValueError, match="split_id exceeds range"):
        manager(tmp_path, "viper")
    assert file.read_text() == "[]"


def test_a_root_that_cannot_be_written_to_says_so(tmp_path, monkeypatch, capsys):
    miniatures.write_viper(tmp_path)
    folder, writable = tmp_path / "viper", os.access
    # As on a read-only file system, where the superuser may not write either.
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and writable(path, mode))
    says = f"torchreid writes splits.json when it first loads viper, and {folder} cannot be written"
    assert says in evaluate(tmp_path, "viper", capsys)
    monkeypatch.undo()
    manager(tmp_path, "viper")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not list(ready.obstacles("viper", tmp_path))  # nothing is to be written any more


def test_a_folder_that_was_unpacked_in_part(tmp_path):
    miniatures.write_ilids(tmp_path)
    images = sorted((tmp_path / "ilids" / "i-LIDS_Pedestrian" / "Persons").iterdir())[:20]
    folder = tmp_path / "cuhk01"
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for number, image in enumerate(images):
            archive.write(image, f"campus/{1 + number // 4:04d}{1 + number % 4:03d}.png")
    with zipfile.ZipFile(folder.with_suffix(".zip")) as archive:
        archive.extractall(folder, archive.namelist()[:12])
        folder.with_suffix(".zip").rename(folder / "CUHK01.zip")
        (obstacle,) = ready.obstacles("cuhk01", tmp_path)
        assert "campus holds 12 of the 20 images of" in obstacle.text
        archive.extractall(folder)
    assert not list(ready.obstacles("cuhk01", tmp_path))


def test_a_page_instead_of_a_list_of_msmt17(tmp_path):
    folder = tmp_path / "msmt17" / "MSMT17_V1"
    folder.mkdir(parents=True)
    for part in ("train", "val", "query", "gallery"):
        (folder / f"list_{part}.txt").write_bytes(PAGE)
    (obstacle,) = ready.obstacles("msmt17", tmp_path)
    assert "list_train.txt, line 1: '<!DOCTYPE html>' is no image" in obstacle.text


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_is_not_there_has_no_obstacle(name, tmp_path):
    assert not list(ready.obstacles(name, tmp_path))
