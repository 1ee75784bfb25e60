"""Whether torchreid can load a dataset, and what is left behind where it cannot."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.data.datasets import check, loading, split_files
from ddan_torchreid.data.datasets.published import DATASETS
from ddan_torchreid.integration import builder
from tests.data.datasets.roots import manager, tree, write

PAGE = b"<!DOCTYPE html>\n<html><body>Sign in to download</body></html>\n" * 40
MATLAB = [(name, file) for name in ("cuhk03", "grid") for file in DATASETS[name].required]


def evaluate(root, name, capsys):
    """What is reported where the data cannot be loaded; the weights are not looked at before."""
    words = ["--root", str(root), "--weights", "model.pth.tar", "data.targets", f"['{name}']"]
    assert main(["evaluate", *words])
    return capsys.readouterr().err


@pytest.mark.parametrize(("name", "file"), MATLAB)
def test_a_page_instead_of_matlabs_file_has_one_answer(name, file, tmp_path, capsys):
    write(name, tmp_path)
    path = tmp_path / name / file
    path.write_bytes(PAGE)
    before = tree(tmp_path)
    says = f"{path} is not {name}'s MATLAB file; download it again"
    assert [obstacle.text for obstacle in loading.obstacles(name, tmp_path)] == [says]
    main(["doctor", "--root", str(tmp_path)])
    assert f"found, but {says}" in capsys.readouterr().out
    assert main(["check-data", name, "--root", str(tmp_path)]) == 1
    assert f"problem: {says}" in capsys.readouterr().out
    assert says in evaluate(tmp_path, name, capsys)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["viper", "market1501"])
def test_a_root_that_glob_interprets_is_refused_by_name(name, tmp_path, capsys):
    root = tmp_path / "data[1]"
    write(name, root)
    before = tree(root)
    says = f"torchreid cannot load {name} from below a folder with [, * or ? in its name"
    assert f"{says}; rename {root}" in evaluate(root, name, capsys)
    problems = check.check_published(name, root).problems
    assert any(says in problem.text for problem in problems)
    assert tree(root) == before
    (tmp_path / "link").symlink_to(root)
    assert not list(loading.obstacles(name, tmp_path / "link"))
    assert len(manager(tmp_path / "link", [name]).train_loader.dataset)


def test_a_failed_load_leaves_nothing_behind(tmp_path):
    """By plain torchreid as well, which would believe its empty splits the next time."""
    root = tmp_path / "data[1]"
    for name in ("viper", "cuhk03", "grid"):
        write(name, root)
    (root / "cuhk03" / "cuhk03_release" / "cuhk-03.mat").write_bytes(PAGE)
    before = tree(root)
    for name in ("viper", "cuhk03", "grid"):
        with pytest.raises((OSError, IndexError)):
            manager(root, [name])
        assert tree(root) == before, name
    with pytest.raises(RuntimeError):
        manager(tmp_path / "nowhere", ["prid"])
    assert not (tmp_path / "nowhere").exists()


def test_what_was_there_before_a_failed_load_stays(tmp_path):
    write("viper", tmp_path)
    file = tmp_path / "viper" / "splits.json"
    file.write_text("[]")
    with pytest.raises(ValueError, match="split_id exceeds range"):
        manager(tmp_path, ["viper"])
    assert file.read_text() == "[]"


def test_a_root_that_cannot_be_written_to_is_named(tmp_path, monkeypatch, capsys):
    write("viper", tmp_path)
    folder, writable = tmp_path / "viper", os.access
    # As on a read-only file system, where the superuser may not write either.
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and writable(path, mode))
    says = f"torchreid writes splits.json when it first loads viper, and {folder} cannot be written"
    assert says in evaluate(tmp_path, "viper", capsys)
    monkeypatch.undo()
    manager(tmp_path, ["viper"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not list(loading.obstacles("viper", tmp_path))  # nothing is to be written any more


def test_a_folder_that_was_unpacked_in_part(tmp_path):
    write("cuhk01", tmp_path)
    folder = tmp_path / "cuhk01"
    images = sorted((folder / "campus").iterdir())
    with zipfile.ZipFile(folder / "CUHK01.zip", "w") as archive:
        for image in images:
            archive.write(image, f"campus/{image.name}")
    assert not list(loading.obstacles("cuhk01", tmp_path))
    for image in images[12:]:
        image.unlink()
    (obstacle,) = loading.obstacles("cuhk01", tmp_path)
    assert "campus holds 12 of the 24 images of" in obstacle.text


def texts(name, root):
    return " ".join(obstacle.text for obstacle in loading.obstacles(name, root))


def test_viper_with_persons_of_one_camera_is_refused_and_pairs_of_them_too(tmp_path):
    write("viper", tmp_path)
    images = tmp_path / "viper" / "VIPeR"
    for camera, image in (("cam_a", 0), ("cam_b", -1)):
        sorted((images / camera).iterdir())[image].unlink()
    assert "would pair different persons" in texts("viper", tmp_path)
    manager(tmp_path, ["viper"])  # plain torchreid pairs them
    assert "images of different persons are paired" in texts("viper", tmp_path)
    assert "splits.json.old" in " ".join(split_files.mend("viper", tmp_path))


def test_names_and_empty_folders_that_torchreid_fails_on(tmp_path):
    write("market1501", tmp_path)
    query = tmp_path / "market1501" / "Market-1501-v15.09.15" / "query"
    image = next(query.iterdir())
    copy = image.rename(query / "0003_copy.jpg")
    assert "a name that torchreid cannot read, such as" in texts("market1501", tmp_path)
    assert copy.name in texts("market1501", tmp_path)
    for image in query.iterdir():
        image.unlink()
    assert "market1501 has no image in query; get the whole dataset" in texts(
        "market1501", tmp_path
    )


def test_matlab_files_of_something_else_or_without_their_end(tmp_path):
    write("grid", tmp_path)
    write("cuhk03", tmp_path)
    partitions = tmp_path / "grid" / DATASETS["grid"].required[0]
    shutil.copy(tmp_path / "cuhk03" / "cuhk03_new_protocol_config_labeled.mat", partitions)
    assert f"{partitions} is not grid's MATLAB file" in texts("grid", tmp_path)
    packed = tmp_path / "cuhk03" / "cuhk03_release" / "cuhk-03.mat"
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    assert f"{packed} is not cuhk03's MATLAB file" in texts("cuhk03", tmp_path)


def test_cuhk01_as_it_is_downloaded(tmp_path):
    write("cuhk01", tmp_path)
    folder = tmp_path / "cuhk01"
    packed = Path(shutil.make_archive(str(folder / "CUHK01"), "zip", folder, "campus"))
    shutil.rmtree(folder / "campus")
    assert not texts("cuhk01", tmp_path)
    assert len(manager(tmp_path, ["cuhk01"]).train_loader.dataset) > 0
    shutil.rmtree(folder)
    folder.mkdir()
    packed.write_bytes(PAGE)
    assert f"{packed} is no whole ZIP file; download it again" in texts("cuhk01", tmp_path)


def test_images_that_a_list_names_and_nobody_has_stop_a_run_before_it_trains(
    small_config, tmp_path
):
    root = tmp_path / "data"
    write("prid", root)
    for image in sorted((root / "prid2011" / "prid_2011" / "single_shot" / "cam_b").iterdir())[:9]:
        image.unlink()
    options = ("data.root", str(root), "data.targets", "['prid']")
    with pytest.raises(ValueError, match=r"\d images are not there, such as .*cam_b.*; get the"):
        builder.build(small_config(*options))


def test_torchreids_other_datasets_below_such_a_root(small_config, tmp_path):
    root = tmp_path / "data[1]"
    (root / "sensereid").mkdir(parents=True)
    with pytest.raises(ValueError, match="torchreid cannot load sensereid from below a folder"):
        builder.build(small_config("data.root", str(root), "data.targets", "['sensereid']"))


def test_a_page_instead_of_a_list_of_msmt17(tmp_path):
    folder = tmp_path / "msmt17" / "MSMT17_V1"
    folder.mkdir(parents=True)
    for part in ("train", "val", "query", "gallery"):
        (folder / f"list_{part}.txt").write_bytes(PAGE)
    (obstacle,) = loading.obstacles("msmt17", tmp_path)
    assert "list_train.txt, line 1: '<!DOCTYPE html>' is no image" in obstacle.text
