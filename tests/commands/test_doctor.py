"""``ddan-torchreid doctor``: what it finds, and whether training could start."""

import hashlib
import importlib
import os
import sys
from types import SimpleNamespace

import pytest
import torch
import torchreid

from ddan_torchreid.cli import main
from ddan_torchreid.commands import doctor
from ddan_torchreid.models import weights


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working folder without data, and a cache without weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def diagnose(capsys, *words):
    status = main(["doctor", *map(str, words)])
    output = capsys.readouterr().out
    rows = [line.strip().split(maxsplit=1) for line in output.splitlines() if line.startswith("  ")]
    return status, {row[0]: row[1] for row in rows if len(row) == 2}, output


def test_versions_and_layout(capsys):
    status, rows, output = diagnose(capsys)
    assert status == 0
    assert rows["torch"] == torch.__version__
    folder = os.path.dirname(torchreid.__file__)
    layout = "PyPI" if hasattr(torchreid, "reid") else "GitHub"
    assert rows["torchreid"] == f"{torchreid.__version__}, {layout} layout, {folder}"
    for name in doctor.REQUIRED:
        assert rows[name][0].isdigit(), name
    assert output.endswith("\ntraining can start\n")


@pytest.mark.parametrize(("version", "warned"), [((3, 11, 9), True), ((3, 11, 10), False)])
def test_a_python_whose_forks_may_hang(capsys, monkeypatch, version, warned):
    monkeypatch.setattr(sys, "version_info", version)
    status, _, output = diagnose(capsys)
    assert status == 0
    assert ("loading workers: use 3.11.10 or later" in output) == warned


def test_a_package_that_does_not_import_keeps_training_from_starting(capsys, monkeypatch):
    original = importlib.import_module

    def import_module(name, package=None):
        if name == "yacs":
            raise ModuleNotFoundError("No module named 'yacs'", name="yacs")
        if name == "ot":
            raise ImportError("numpy.core.multiarray failed\nto import")
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return original(name, package)

    monkeypatch.setattr(importlib, "import_module", import_module)
    status, rows, output = diagnose(capsys)
    assert status == 1
    start = output.index("training cannot start yet:")
    assert "- yacs: not installed; run: pip install yacs\n" in output[start:]
    assert "does not import (numpy.core.multiarray failed to import)" in rows["POT"]
    assert rows["onnx"] == "not installed (exports to ONNX; optional)"
    assert "onnx" not in output[start:]


def test_weights(capsys, tmp_path, monkeypatch):
    file = weights.cached_file()
    assert file.is_relative_to(tmp_path)
    _, rows, output = diagnose(capsys)
    assert rows["MobileNetV2"] == "not cached; training downloads them once"
    assert weights.URL in output
    assert str(file) in output
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert diagnose(capsys)[1]["MobileNetV2"] == (f"cached, {file}, not torchvision's: delete it")
    digest = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(weights, "SHA256_PREFIX", digest[:8])
    assert diagnose(capsys)[1]["MobileNetV2"] == f"cached, {file}"


def test_datasets_under_a_root(real_root, capsys):
    status, rows, output = diagnose(capsys, "--root", real_root)
    assert status == 0
    for name in ("market1501", "dukemtmcreid", "cuhk02", "cuhk03", "cuhksysu", "viper", "ilids"):
        assert rows[name] == "found"
    assert rows["cuhk01"].startswith("missing: http")
    assert f"ddan-torchreid check-data --root {real_root} looks into what is found" in output


def test_what_is_missing_and_where_to_get_it(tmp_path, capsys):
    (tmp_path / "empty" / "prid2011").mkdir(parents=True)
    status, rows, output = diagnose(capsys, "--root", "empty")
    assert status == 1
    root = tmp_path / "empty"
    assert rows["cuhksysu"] == f"missing: ddan-torchreid download cuhksysu --root {root}"
    assert rows["ilids"] == f"missing: ddan-torchreid download ilids --root {root}"
    assert rows["prid"] == f"incomplete: there is no {root}/prid2011/prid_2011/single_shot/cam_a"
    assert rows["dukemtmcreid"].startswith("missing: withdrawn by its authors")
    assert "http" not in rows["dukemtmcreid"]
    assert f"- there is no dataset under {root}; give another --root" in output
    assert os.listdir(root / "prid2011") == []


def test_gpus(capsys, monkeypatch):
    properties = SimpleNamespace(name="Test GPU", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)

    def fail(*_, **__):
        raise RuntimeError("no kernel image is available\nCUDA kernel errors ...")

    monkeypatch.setattr(torch, "ones", fail)
    status, _, output = diagnose(capsys)
    assert status == 1
    assert "GPU 0                   Test GPU, 24.0 GiB\n" in output
    assert "- GPU 0 does not compute (no kernel image is available); write use_gpu False" in output
