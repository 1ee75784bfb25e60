"""One picture of ranked results: the same queries under several models."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torchreid
from PIL import Image

HEIGHT, WIDTH = 128, 64
"""Of one image in the picture, in pixels, however small the network's images are."""


def ranking_picture(
    engines: Mapping[str, Any],
    targets: Sequence[str],
    path: Path,
    queries: int = 2,
    topk: int = 8,
) -> None:
    """Shows the nearest gallery images of a few queries of each target, right ones in green.

    The strips are torchreid's (``visualize_ranked_results``).

    Args:
        engines: engines that have been tested, by the name to print.
        targets: target domains.
        path: the PNG file to write.
        queries: queries per target, evenly spread over the query list.
        topk: gallery images per query.
    """
    strips: list[list[np.ndarray]] = []
    labels: list[str] = []
    for target in targets:
        for number in range(queries):
            row = []
            for engine in engines.values():
                row.append(_strip(engine, target, (number + 0.5) / queries, topk))
            strips.append(row)
            labels.append(target.removeprefix("rendered_"))
    height, width = strips[0][0].shape[:2]
    scale = 1.1 / height
    figure, axes = plt.subplots(
        len(strips),
        len(engines),
        figsize=(len(engines) * width * scale + 1, len(strips) * 1.2 + 0.6),
        squeeze=False,
    )
    for row_axes, row, label in zip(axes, strips, labels, strict=True):
        for axis, strip in zip(row_axes, row, strict=True):
            axis.imshow(strip)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row_axes[0].set_ylabel(label, fontsize=8)
    for axis, name in zip(axes[0], engines, strict=True):
        axis.set_title(f"{name}: query, then its {topk} nearest", fontsize=10)
    figure.tight_layout(pad=0.4, w_pad=3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _strip(engine: Any, target: str, place: float, topk: int) -> np.ndarray:
    query, gallery = engine.datamanager.fetch_test_loaders(target)
    query, gallery = list(query), list(gallery)
    position = int(place * len(query))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        torchreid.utils.visualize_ranked_results(
            engine.scores[target].distances[position : position + 1],
            (query[position : position + 1], gallery),
            "image",
            width=WIDTH,
            height=HEIGHT,
            save_dir=folder,
            topk=topk,
        )
        (file,) = Path(folder).iterdir()
        return np.asarray(Image.open(file).convert("RGB"))
