"""Trained models as ONNX files and torch.export programs, compared with PyTorch as they are made.

Both take ``images`` (B, 3, height, width), float32, resized and normalised as their metadata says,
and give ``features`` (B, D), float32, for any B and whatever the number type of the weights.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.loose_images import read_image
from ..system.files import replacing
from ..version import __version__
from .trained_model import TrainedModel

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

TOLERANCE = 1e-4
"""Features of a trained network are well within: fp32 rounds at 1e-7 of the largest numbers."""

OPSET = 17
"""The first ONNX opset that runtimes of 2022 and later all have; no operator needs a later one."""

METADATA_FILE = "ddan_torchreid.json"
"""Name of the metadata inside a torch.export archive."""


class ExportedNetwork(nn.Module):
    """A network with float32 images and features around weights of any number type.

    Args:
        network: images to features (B, D).
        dtype: of its weights.
        normalize: L2-normalise the features.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype, normalize: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).to(dtype)
        self.dtype = dtype
        self.normalize = normalize

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D), both float32."""
        features = self.network(images.to(self.dtype)).float()
        return F.normalize(features) if self.normalize else features


@dataclass(frozen=True)
class Comparison:
    """How the features of an exported model differ from those of PyTorch in fp32.

    Attributes:
        images: number of images.
        max_difference: largest absolute difference of an element.
        max_part: the same, as a part of the largest element of the image's features, or of 1
            where that is smaller.
        min_cosine, mean_cosine: of the cosine similarities of the two features of each image.
    """

    images: int
    max_difference: float
    max_part: float
    min_cosine: float
    mean_cosine: float


def check_format(format: str, dtype: str) -> None:
    """Says whether a model can be exported like this here.

    Raises:
        ValueError: unknown or incompatible values, or a package is missing.
    """
    for value, known in ((format, SUFFIXES), (dtype, DTYPES)):
        if value not in known:
            raise ValueError(f"{value!r} is unknown; write one of {', '.join(known)}")
    if format == "onnx" and dtype == "bf16":
        raise ValueError("onnxruntime cannot run bf16 everywhere; write --format torch, or fp16")
    missing = [name for name in ("onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if format == "onnx" and missing:
        raise ValueError(
            f'ONNX needs {" and ".join(missing)}: pip install "ddan_torchreid[export]"'
        )


def export(
    trained: TrainedModel,
    out: Path,
    format: str = "onnx",
    dtype: str = "fp32",
    normalize: bool = False,
    images: Sequence[str] = (),
    tolerance: float = TOLERANCE,
) -> dict[str, Comparison]:
    """Writes a model, loads it again and compares its features with those of PyTorch.

    They are compared on one image alone, then on eight at a time. The results are printed.

    Args:
        trained: the model, on the CPU.
        out: the file, with the suffix of the format; what is there already is replaced, once
            the comparison is passed.
        format: 'onnx' or 'torch' (``torch.export``).
        dtype: 'fp32', 'fp16' or, for 'torch' only, 'bf16'.
        normalize: L2-normalise the features in the exported model.
        images: files to compare on besides noise.
        tolerance: largest difference of a feature, as a part of the largest of its image or of 1,
            and of a cosine similarity from 1, with fp32.

    Returns:
        A comparison for noise and, where images are given, one for them.

    Raises:
        ValueError: unknown or incompatible values, a missing package or an unreadable image.
        FloatingPointError: with fp32, a feature differs by more than the tolerance; with any type,
            one is not finite. Nothing is written.
    """
    check_format(format, dtype)
    if out.suffix != SUFFIXES[format]:
        raise ValueError(f"{out} must end in {SUFFIXES[format]}, the suffix of --format {format}")
    network = ExportedNetwork(trained.model, DTYPES[dtype], normalize).eval()
    reference = ExportedNetwork(trained.model, torch.float32, normalize).eval()
    write, load = (_write_onnx, _load_onnx) if format == "onnx" else (_write_torch, _load_torch)
    size = (3, trained.height, trained.width)
    noise = torch.randn(12, *size, generator=torch.Generator().manual_seed(0))
    sets: dict[str, Iterable[Tensor]] = {"noise": noise}
    if images:
        sets["given images"] = map(trained.transform, map(read_image, images))
    comparisons = {}
    with replacing(out) as unfinished:
        write(network, torch.zeros(2, *size), unfinished, _metadata(trained, dtype, normalize))
        run = load(unfinished)
        for name, tensors in sets.items():
            comparison = comparisons[name] = compare(run, reference, tensors)
            cosine = f"cosine similarity min {comparison.min_cosine:.7f}"
            described = f"{cosine}, mean {comparison.mean_cosine:.7f} to fp32"
            if dtype == "fp32":
                described = f"max difference {comparison.max_difference:.2e}, {cosine}"
            print(f"{name} ({comparison.images}): {described}")
            lacking = max(comparison.max_part, 1 - comparison.min_cosine)
            if dtype == "fp32" and not lacking <= tolerance:
                raise FloatingPointError(
                    f"on {name}, features of the exported model differ from PyTorch's: "
                    f"{described}; more than {tolerance:g} of an image's largest feature is not "
                    f"accepted, so {out} was not written; --tolerance accepts more"
                )
    return comparisons


@torch.no_grad()
def compare(
    run: Callable[[Tensor], Tensor], reference: nn.Module, images: Iterable[Tensor]
) -> Comparison:
    """Compares the features of an exported model with those of the network in PyTorch.

    Args:
        run: the exported model, (B, 3, H, W) to (B, D).
        reference: the network.
        images: one tensor (3, H, W) for each.

    Raises:
        FloatingPointError: a feature is not finite.
    """
    pairs = [(reference(batch).double(), run(batch).double()) for batch in _batches(images)]
    expected, found = (torch.cat(side) for side in zip(*pairs, strict=True))
    for features, of in ((expected, "PyTorch"), (found, "the exported model")):
        if not torch.isfinite(features).all():
            raise FloatingPointError(f"features of {of} are not finite; nothing was written")
    cosines = F.cosine_similarity(expected, found)
    difference = (expected - found).abs().amax(1)
    part = difference / expected.abs().amax(1).clamp(min=1)
    numbers = (difference.max(), part.max(), cosines.min(), cosines.mean())
    return Comparison(len(cosines), *map(float, numbers))


def _batches(images: Iterable[Tensor]) -> Iterator[Tensor]:
    """A batch of one, then batches of eight: a batch size that is fixed in the graph shows."""
    iterator = iter(images)
    size = 1
    while batch := list(islice(iterator, size)):
        yield torch.stack(batch)
        size = 8


def _metadata(trained: TrainedModel, dtype: str, normalize: bool) -> dict[str, Any]:
    return {
        "model": trained.model.name or "",
        "height": trained.height,
        "width": trained.width,
        "mean": trained.mean,
        "std": trained.std,
        "interpolation": trained.interpolation,
        "feature_dim": trained.model.feature_dim,
        "normalized": normalize,
        "dtype": dtype,
        "weights_sha256": trained.sha256,
        "ddan_torchreid": __version__,
    }


def _write_onnx(network: nn.Module, example: Tensor, path: Path, metadata: dict[str, Any]) -> None:
    import onnx

    with warnings.catch_warnings():
        # The newer exporter needs one more package and many times as long for the same operators.
        # What this one warns of, besides its age, is that instance norm looks at the size of its
        # input, which is fixed here, and uses the statistics of each image, as it should.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=["images"],
            output_names=["features"],
            dynamic_axes={"images": {0: "batch"}, "features": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model(path)
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in metadata.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def _load_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def _write_torch(network: nn.Module, example: Tensor, path: Path, metadata: dict[str, Any]) -> None:
    batch = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network, (example,), dynamic_shapes=batch)
    # Through the memory: a name that is no valid text would end the process in C, and torch hides
    # that a disk is full.
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={METADATA_FILE: json.dumps(metadata)})
    path.write_bytes(file.getvalue())


def _load_torch(path: Path) -> Callable[[Tensor], Tensor]:
    with path.open("rb") as file:
        return torch.export.load(file).module()
