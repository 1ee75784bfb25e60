"""Exported models against PyTorch, through onnxruntime and torch.export themselves."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddan_torchreid import load_model
from ddan_torchreid.inference import export as exporting
from ddan_torchreid.inference.export import ExportedNetwork, compare, export
from ddan_torchreid.inference.trained_model import TrainedModel, load_trained_model
from ddan_torchreid.models import BACKBONES, FACTORIES, DDANModel
from tests.inference.exported import (
    HEIGHT,
    WIDTH,
    assert_same_as_pytorch,
    checkpoint,
    noise,
    onnx_features,
)

SMALL = ("ddan_mobilenetv2_x0_35", "ddan_mobilenetv2_in_bn_x0_35")


def tiny(**images) -> TrainedModel:
    """A network with the layers that matter to an exporter, which it is done with in a second."""
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.InstanceNorm2d(4, affine=True), nn.ReLU6(), nn.BatchNorm2d(4)
    )
    mapping = nn.Sequential(nn.Conv2d(4, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = DDANModel(encoder, mapping, 8, num_classes=3, loss="ddan").eval()
    return TrainedModel(model, HEIGHT, WIDTH, sha256="0" * 64, **images)


def torch_features(path, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.export.load(path).module()(images)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SMALL else pytest.mark.slow)
        for name in FACTORIES | BACKBONES
    ],
)
def test_onnx_of_every_network(name, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    path = checkpoint(tmp_path / "weights", name)
    trained = load_trained_model(path)
    out = tmp_path / "new" / "model.onnx"
    found = export(trained, out)
    assert list(found) == ["noise"]
    assert all(0 <= each.max_difference <= 1e-4 and each.images > 8 for each in found.values())
    assert f"max difference {found['noise'].max_difference:.2e}" in capsys.readouterr().out
    assert [file.name for file in out.parent.iterdir()] == ["model.onnx"]
    model = load_model(path)
    assert_same_as_pytorch(onnx_features, out, model)

    written = onnx.load(out)
    properties = {item.key: item.value for item in written.metadata_props}
    assert properties["model"] == name
    assert (properties["height"], properties["width"]) == ("64", "32")
    assert json.loads(properties["mean"]) == [0.485, 0.456, 0.406]
    assert json.loads(properties["std"]) == [0.229, 0.224, 0.225]
    shapes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*written.graph.input, *written.graph.output)
    ]
    assert shapes == [["batch", 3, HEIGHT, WIDTH], ["batch", model.feature_dim]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddan_mobilenetv2_in_bn_x1_0", "ddan_osnet_ain_x1_0"])
@pytest.mark.parametrize("dtype", exporting.DTYPES)
def test_torch_export_of_networks(name, dtype, tmp_path):
    trained = load_trained_model(checkpoint(tmp_path / "weights", name))
    found = export(trained, tmp_path / "model.pt2", "torch", dtype)
    assert all(each.min_cosine > 0.99 for each in found.values())


def test_torch_export_and_its_metadata(tmp_path):
    images = {"mean": [0.5, 0.4, 0.3], "std": [0.1, 0.2, 0.3], "interpolation": "bilinear"}
    trained = tiny(**images)
    export(trained, tmp_path / "model.pt2", "torch", normalize=True)
    normalized = lambda images: F.normalize(trained.model(images))  # noqa: E731
    assert_same_as_pytorch(torch_features, tmp_path / "model.pt2", normalized)
    files = {exporting.METADATA_FILE: ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=files)
    metadata = json.loads(files[exporting.METADATA_FILE])
    assert metadata["normalized"] is True
    assert metadata.items() >= images.items()
    assert (metadata["height"], metadata["width"], metadata["feature_dim"]) == (HEIGHT, WIDTH, 8)


@pytest.mark.parametrize(
    ("format", "dtype", "tolerance"), [("onnx", "fp16", 5e-4), ("torch", "bf16", 5e-3)]
)
def test_half_precision_takes_and_gives_fp32(format, dtype, tolerance, tmp_path, capsys):
    if format == "onnx":
        onnx = pytest.importorskip("onnx")
    trained = tiny()
    out = tmp_path / f"model{exporting.SUFFIXES[format]}"
    found = export(trained, out, format, dtype)["noise"]
    # It must differ, or the weights were not in half precision.
    assert found.max_difference > 1e-4
    assert 0.99 < found.min_cosine < found.mean_cosine < 1
    line = f"min {found.min_cosine:.7f}, mean {found.mean_cosine:.7f} to fp32"
    assert line in capsys.readouterr().out
    features = onnx_features if format == "onnx" else torch_features
    assert features(out, noise(1)).dtype == torch.float32
    assert_same_as_pytorch(features, out, trained.model, tolerance)
    assert next(trained.model.parameters()).dtype == torch.float32
    if format == "onnx":
        types = {tensor.data_type for tensor in onnx.load(out).graph.initializer}
        assert types & {onnx.TensorProto.FLOAT16}
        assert onnx.TensorProto.FLOAT not in types


@pytest.fixture(params=exporting.SUFFIXES)
def written_wrong(request, monkeypatch):
    """A format, in which one element of all features is written too large by what is asked for."""
    format = request.param
    if format == "onnx":
        pytest.importorskip("onnx")
    write = getattr(exporting, f"_write_{format}")

    def by(difference: float) -> str:
        def write_another(network: ExportedNetwork, *rest):
            network.network.neck.bias.data[3] += difference
            write(network, *rest)

        monkeypatch.setattr(exporting, f"_write_{format}", write_another)
        return format

    return by


def test_wrong_features_are_not_written(written_wrong, tmp_path):
    format = written_wrong(3e-4)
    out = tmp_path / f"model{exporting.SUFFIXES[format]}"
    out.write_text("what was there")
    accepted = export(tiny(), tmp_path / f"accepted{out.suffix}", format, tolerance=4e-4)
    assert accepted["noise"].max_difference == pytest.approx(3e-4, rel=0.01)
    (tmp_path / f"accepted{out.suffix}").unlink()
    with pytest.raises(FloatingPointError, match=r"on noise.* max difference 3\.00e-04.*not writ"):
        export(tiny(), out, format)
    assert out.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == [out.name]


def test_a_difference_is_measured_by_the_largest_feature(written_wrong, tmp_path):
    format = written_wrong(3e-3)
    trained = tiny()
    trained.model.neck.bias.data[0] = 100.0
    found = export(trained, tmp_path / f"model{exporting.SUFFIXES[format]}", format)["noise"]
    assert found.max_difference == pytest.approx(3e-3, rel=0.02)
    assert found.max_part == pytest.approx(3e-5, rel=0.1)


def test_features_beyond_fp16_are_not_written(tmp_path):
    pytest.importorskip("onnx")
    trained = tiny()
    trained.model.neck.weight.data *= 1e6
    with pytest.raises(FloatingPointError, match="of the exported model are not finite"):
        export(trained, tmp_path / "model.onnx", dtype="fp16")
    assert not any(tmp_path.iterdir())


def test_comparison_is_over_all_images_alone_and_in_batches():
    counts = []
    images = noise(13)
    expected = images.flatten(1).double().numpy()
    wrong = expected.copy()
    wrong[12, 7] += 0.25
    wrong[4] *= 3

    def run(batch: Tensor) -> Tensor:
        start = sum(counts)
        counts.append(len(batch))
        return torch.from_numpy(wrong[start : start + len(batch)])

    found = compare(run, nn.Flatten(), images)
    assert counts == [1, 8, 4]
    cosines = np.sum(expected * wrong, axis=1) / (
        np.linalg.norm(expected, axis=1) * np.linalg.norm(wrong, axis=1)
    )
    difference = np.abs(expected - wrong).max()
    measured = (found.max_difference, found.min_cosine, found.mean_cosine)
    assert measured == pytest.approx((difference, cosines.min(), cosines.mean()), abs=1e-9)
    assert found.images == 13


def test_what_cannot_be_exported_is_said_before_the_work(tmp_path, monkeypatch):
    trained = tiny()
    for out, format, dtype, says in (
        ("model.pt2", "onnx", "bf16", "write --format torch"),
        ("model.pt2", "torchscript", "fp32", "'torchscript' is unknown; write one of onnx, torch"),
        ("model.pt2", "torch", "int8", "'int8' is unknown"),
        ("model.onnx", "torch", "fp32", r"model.onnx must end in \.pt2"),
    ):
        with pytest.raises(ValueError, match=says):
            export(trained, tmp_path / out, format, dtype)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    needs = r'needs onnx and onnxruntime: pip install "ddan_torchreid\[export\]"$'
    with pytest.raises(ValueError, match=needs):
        export(trained, tmp_path / "model.onnx")
    assert not any(tmp_path.iterdir())
