"""Scores the weights of the package, ImageNet's features and other networks alike.

    python tools/peers.py --root reid-data --onnx osnet_x0_25=osnet_x0_25.onnx

Ten single-shot splits, drawn with seed 0, of VIPeR, PRID, GRID and i-LIDS. ImageNet's features are
those of MobileNetV2 at 256x128; its weights are found as for a training. An ONNX network takes
images as torchreid makes them, of the size that its input has.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import ddan_torchreid  # noqa: F401 registers what torchreid is asked for; first, or it warns

# isort: split
import numpy as np
import onnxruntime
import torch
import torchreid
from torch import Tensor, nn

from ddan_torchreid.evaluation import ProtocolResult, as_row, evaluate_protocol
from ddan_torchreid.inference.trained_model import load_trained_model
from ddan_torchreid.integration.registry import register_stand_in

TARGETS = ("viper", "prid", "grid", "ilids")
SPLITS = 10


class Exported(nn.Module):
    """A network in ONNX as a module: images (B, 3, H, W) to features (B, D).

    Attributes:
        size: (height, width) of its images.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (self.input,) = self.session.get_inputs()
        self.size = tuple(self.input.shape[2:])
        self.device = nn.Parameter(torch.empty(0))  # by which the evaluator finds the device

    def forward(self, images: Tensor) -> Tensor:
        """As the class says; one image at a time where the network takes no more."""
        several = not isinstance(self.input.shape[0], int)
        batches = [images] if several else images.split(self.input.shape[0])
        found = [self.session.run(None, {self.input.name: each.numpy()})[0] for each in batches]
        return torch.from_numpy(np.concatenate(found))


def score(model: nn.Module, root: str, size: tuple[int, int], transforms: str) -> ProtocolResult:
    """Scores a network on the targets, at a size of the images."""
    datamanager: Any = torchreid.data.ImageDataManager(
        root=root, sources=[register_stand_in(TARGETS[0], "query")], targets=list(TARGETS),
        height=size[0], width=size[1], transforms=[transforms], workers=0, use_gpu=False,
    )  # fmt: skip
    return evaluate_protocol(model.eval(), datamanager, splits=SPLITS)


def table(results: dict[str, ProtocolResult]) -> str:
    """A Markdown table in percent: rank-1 and mAP of each target, and of their mean."""
    head = [*TARGETS, "mean"]
    lines = [f"| rank-1 / mAP | {' | '.join(head)} |", f"|---|{'---:|' * len(head)}"]
    for name, result in results.items():
        rows = [*(as_row(result.scores[target]) for target in TARGETS), result.mean]
        cells = (f"{100 * row['rank-1']:.1f} / {100 * row['mAP']:.1f}" for row in rows)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Scores and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="reid-data", help="path to the data root")
    parser.add_argument(
        "--onnx", action="append", default=[], metavar="NAME=FILE", help="another; may be repeated"
    )
    arguments = parser.parse_args(words)
    exported = {
        name: Exported(Path(path))
        for name, _, path in (named.partition("=") for named in arguments.onnx)
    }
    shipped = load_trained_model()
    untrained = torchreid.models.build_model("ddan_mobilenetv2_x1_0", 1, loss="ddan")
    results = {
        "the weights of the package": score(
            shipped.model, arguments.root, (shipped.height, shipped.width), "ddan"
        ),
        "ImageNet": score(untrained, arguments.root, (256, 128), "ddan"),
    }
    for name, network in exported.items():
        results[name] = score(network, arguments.root, network.size, "random_flip")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
