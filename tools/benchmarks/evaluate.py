"""Scoring against torchreid's Python evaluator, and the ten-split protocol."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import torchreid
from torch import Tensor, nn

from ddan_torchreid.evaluation.features import FeatureSet, extract_features
from ddan_torchreid.evaluation.ranking import EVALUATORS, evaluate_rank
from ddan_torchreid.evaluation.scores import score

from .results import Result
from .timing import Options, interleaved

TITLE = "scoring of Market-1501's size, and ten splits of the four single-shot targets"
QUERIES, GALLERY, PERSONS, CAMERAS = 3368, 15913, 751, 6
# Query and gallery images of a split, splits that torchreid runs (VIPeR in one direction) and
# that this package runs, and images of the set that occur in any split.
TARGETS = {
    "viper": (316, 316, 10, 20, 1264),
    "prid": (100, 649, 10, 10, 949),
    "grid": (125, 900, 10, 10, 1275),
    "ilids": (60, 60, 10, 10, 476),
}


def run(options: Options) -> Result:
    """Times both evaluators on one matrix, and the protocol from its parts."""
    result = Result("evaluate", TITLE)
    _compare_evaluators(result, options)
    _compare_protocols(result, options)
    return result


def _compare_evaluators(result: Result, options: Options) -> None:
    queries, gallery = options.size(QUERIES, 60), options.size(GALLERY, 200)
    persons = options.size(PERSONS, 20)
    rng = np.random.default_rng(0)
    q_pids, g_pids = rng.integers(0, persons, queries), rng.integers(0, persons, gallery)
    q_cams, g_cams = rng.integers(0, CAMERAS, queries), rng.integers(0, CAMERAS, gallery)
    distances = rng.random((queries, gallery), dtype=np.float32)
    distances -= 0.4 * (q_pids[:, None] == g_pids)
    # torchreid's evaluator goes query by query, so a part of them tells its time.
    part = slice(0, max(1, queries // 20))
    ours = (distances, q_pids, g_pids, q_cams, g_cams)
    theirs = (distances[part], q_pids[part], g_pids, q_cams[part], g_cams)
    variants = {
        "ours": lambda: evaluate_rank(*ours),
        "theirs": lambda: EVALUATORS["torchreid"](*theirs, use_cython=False),
    }
    seconds = interleaved(variants, options.rounds_or(5), options.clock())
    scale = queries / len(theirs[0])
    result.compare(
        f"a {queries:,} x {gallery:,} matrix",
        seconds["ours"],
        f"torchreid's Python evaluate_rank, {scale:.0f} x its time of 1/{scale:.0f} of the queries",
        [scale * each for each in seconds["theirs"]],
        0.01,
    )
    (cmc, mean_ap), (expected, expected_ap) = evaluate_rank(*theirs), variants["theirs"]()
    result.add(
        "CMC of those queries", "equal" if np.array_equal(cmc, expected) else "different", "equal"
    )
    result.add("mAP of those queries differs by", f"{abs(mean_ap - expected_ap):.1e}", "<= 1e-6")


def _compare_protocols(result: Result, options: Options) -> None:
    rng = np.random.default_rng(0)
    name = f"ddan_mobilenetv2_{'x0_35' if options.tiny else 'x1_0'}"
    model = torchreid.models.build_model(name, num_classes=10, loss="softmax", pretrained=False)
    model = model.to(options.device)
    plain = copy.deepcopy(model).eval()
    model = model.to(memory_format=torch.channels_last)
    count = options.size(50, 4)
    images = torch.randn(count, 3, options.size(256, 64), options.size(128, 32))
    labels = torch.zeros(count, dtype=torch.int64)
    loader: Any = [{"img": images, "pid": labels, "camid": labels}]
    splits = {
        target: (_features(rng, queries, 0), _features(rng, gallery, 1))
        for target, (queries, gallery, *_) in TARGETS.items()
    }
    repeat = {target: (1, 1) if options.tiny else TARGETS[target][2:4] for target in TARGETS}

    def score_all(column: int, evaluator: str) -> None:
        for target, split in splits.items():
            for _ in range(repeat[target][column]):
                score(*split, evaluator=evaluator)

    variants = {
        "our pass": lambda: extract_features(model, loader, options.device),
        "their pass": lambda: _extract_as_torchreid(plain, loader, options.device),
        "ours": lambda: score_all(1, "ddan"),
        "theirs": lambda: score_all(0, "torchreid"),
    }
    seconds = interleaved(variants, options.rounds_or(3), options.clock())
    ours = sum(images for *_, images in TARGETS.values())
    theirs = sum((q + g) * splits for q, g, splits, *_ in TARGETS.values())
    result.add("forward passes", f"{ours:,} instead of {theirs:,}", "3,964")
    result.compare(
        f"ten splits x four targets, with scoring, from the time of {count} images",
        (np.array(seconds["our pass"]) * ours / count + seconds["ours"]).tolist(),
        "torchreid, which extracts every split, likewise",
        (np.array(seconds["their pass"]) * theirs / count + seconds["theirs"]).tolist(),
        0.18,
    )
    result.compare(
        f"extracting {count} images", seconds["our pass"], "torchreid", seconds["their pass"]
    )


def _extract_as_torchreid(model: nn.Module, loader: Any, device: torch.device) -> Tensor:
    """What ``Engine._evaluate`` does with its images, in the memory format that it leaves them."""
    with torch.no_grad():
        return torch.cat([model(batch["img"].to(device)).cpu() for batch in loader])


def _features(rng: np.random.Generator, count: int, camera: int) -> FeatureSet:
    features = torch.from_numpy(rng.normal(size=(count, 1280)).astype(np.float32))
    return FeatureSet(features, np.arange(count), np.full(count, camera))
