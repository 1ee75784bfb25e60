"""Features of samples of the sources: distances of Eq. 3, and how two models differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F
from yacs.config import CfgNode

from ddan_torchreid.data.loader import source_loaders
from ddan_torchreid.evaluation import extract_features
from ddan_torchreid.integration import builder
from ddan_torchreid.method.central_domain import (
    central_domain,
    domain_distances,
    self_distances,
    wasserstein_distance,
)
from ddan_torchreid.system.files import replacing

FILE = "features.npz"
IMAGES = 2000
"""Of each source: two samples of the size that Eq. 3 compares, for its distance to itself."""

Sample = Mapping[str, NDArray]
"""``features`` (n, D) L2-normalised, ``pids`` (n,), ``domain`` (n,) index into ``names`` (S,)."""


def take(engine: Any) -> dict[str, NDArray]:
    """Test-time features of a sample of each source, under an engine's model."""
    loaders = source_loaders(engine.datamanager, IMAGES)
    model = engine.bare_model  # replicas on several GPUs would hand in their parts in any order
    sets = [extract_features(model, loader, engine.device) for loader in loaders.values()]
    return {
        "names": np.array(list(loaders)),
        "features": np.concatenate([F.normalize(each.features).numpy() for each in sets]),
        "pids": np.concatenate([each.pids for each in sets]),
        "domain": np.repeat(np.arange(len(sets)), [len(each.pids) for each in sets]),
    }


def write(sample: Sample, folder: Path) -> None:
    """Writes a sample to a run's folder, its features in half precision."""
    with replacing(folder / FILE) as temporary:
        np.savez(temporary, **{**sample, "features": sample["features"].astype(np.float16)})


def read(folder: Path) -> dict[str, NDArray]:
    """The sample that a run left in its folder."""
    with np.load(folder / FILE) as file:
        return {name: file[name] for name in file.files} | {
            "features": file["features"].astype(np.float32)
        }


def by_domain(sample: Sample) -> dict[str, NDArray]:
    """Features (n_s, D) of each source, by name."""
    return {
        str(name): sample["features"][sample["domain"] == number]
        for number, name in enumerate(sample["names"])
    }


def distances(sample: Sample) -> dict[str, Any]:
    """``distances`` of a record (Table 2): between the sources, of each to itself; Eq. 3."""
    features = by_domain(sample)
    names, matrix = domain_distances(features)
    return {
        "names": names,
        "matrix": matrix.round(4).tolist(),
        "self": self_distances(features).round(4).tolist(),
        "central": central_domain(names, matrix),
    }


def initial_distances(config: CfgNode) -> dict[str, Any]:
    """The same under the network that a configuration starts from, before any training."""
    config = config.clone()
    config.ddan.log_gradients = 0
    return distances(take(builder.build(config)))


def compare(before: Sample, after: Sample) -> dict[str, Any]:
    """Entries of a record on two models' features of the same images.

    Returns:
        ``moved``: for each source the distance of Eq. 3 from its features before to those after
        (Table 2, "All domains"). ``triples``: of images A, with B the nearest image of another
        identity in A's domain and C the nearest one of another domain, nearest by the mean
        similarity of both models, how many there are, and in how many C is nearer than B after
        but not before (``mended``), and before but not after (``broken``; Table 4).
    """
    first, second = by_domain(before), by_domain(after)
    moved = {name: round(wasserstein_distance(first[name], second[name]), 4) for name in first}
    old, new = (each["features"] @ each["features"].T for each in (before, after))
    domain, pids = before["domain"], before["pids"]
    own = domain[:, None] == domain
    rivals = own & (pids[:, None] != pids)
    nearness = old + new
    near = np.where(rivals, nearness, -np.inf).argmax(1)
    far = np.where(own, -np.inf, nearness).argmax(1)
    anchors = np.arange(len(domain))
    was, now = (each[anchors, far] > each[anchors, near] for each in (old, new))
    mended, broken = int((now & ~was).sum()), int((was & ~now).sum())
    return {"moved": moved, "triples": {"all": len(anchors), "mended": mended, "broken": broken}}
