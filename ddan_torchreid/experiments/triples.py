"""Table 4: image triples whose order L_SE mends, and those whose order it breaks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .samples import Sample, lookalikes


def find_triples(
    without: Sample, trained: Sample, shown: int, folder: Path, name: str
) -> dict[str, Any]:
    """Looks for triples (A, B, C): A and B two people of one domain, C similar to A in another.

    Where the renderer drew look-alikes, C is the image nearest to A among the look-alikes of A, so
    that cs(A, C) > cs(A, B) is right by construction; elsewhere C is the nearest image of another
    domain, and which order is right is for the reader to see. Nearest is by the mean similarity of
    the two models, so the choice favours neither. Each image is A once, B is the nearest image
    of another identity of its domain, and in the look-alike case of another look.

    Args:
        without: features of the model without L_SE.
        trained: features of the model with it, of the same images.
        shown: triples to copy the pictures of, the largest changes first.
        folder: output folder.
        name: below it, the folder of the pictures.

    Returns:
        ``triples`` and ``triple_counts`` of a record. ``mended``: cs(A, C) < cs(A, B) without
        L_SE, and the other way with it. ``broken``: the reverse.
    """
    if without.paths != trained.paths:
        raise ValueError("the two models have features of different images")
    numbers = without.drawn_numbers()
    constructed = numbers is not None
    if numbers is None:
        alike = without.domain[:, None] != without.domain
    else:
        alike = lookalikes(without.names, without.domain, numbers)
    before, after = (s.features @ s.features.T for s in (without, trained))
    nearness = (before + after) / 2
    rivals = (without.domain[:, None] == without.domain) & (without.pids[:, None] != without.pids)
    anchors = np.flatnonzero(alike.any(1) & rivals.any(1))
    near = np.where(rivals[anchors], nearness[anchors], -np.inf).argmax(1)
    far = np.where(alike[anchors], nearness[anchors], -np.inf).argmax(1)
    gain_before = before[anchors, far] - before[anchors, near]
    gain_after = after[anchors, far] - after[anchors, near]
    mended = (gain_before < 0) & (gain_after > 0)
    broken = (gain_before > 0) & (gain_after < 0)
    counts = {
        "triples": len(anchors),
        "constructed": constructed,
        "other_nearer_without": int((gain_before > 0).sum()),
        "other_nearer_with": int((gain_after > 0).sum()),
        "mended": int(mended.sum()),
        "broken": int(broken.sum()),
    }
    change = np.abs(gain_after - gain_before)
    triples: list[dict[str, Any]] = []
    for group in (mended, broken):
        places = np.flatnonzero(group)
        for place in places[np.argsort(-change[places], kind="stable")][: shown // 2]:
            a, b, c = anchors[place], near[place], far[place]
            triples.append(
                {
                    **{
                        part: _copied(without.paths[i], folder, f"{name}/{len(triples)}-{part}")
                        for part, i in (("anchor", a), ("same_domain", b), ("other_domain", c))
                    },
                    "anchor_domain": without.names[without.domain[a]],
                    "other_domain_name": without.names[without.domain[c]],
                    "without": _similarities(before, a, b, c),
                    "with": _similarities(after, a, b, c),
                    "mended": bool(mended[place]),
                }
            )
    return {"triples": triples, "triple_counts": counts}


def _similarities(matrix: NDArray, a: int, b: int, c: int) -> dict[str, float]:
    return {
        "same_domain": round(float(matrix[a, b]), 4),
        "other_domain": round(float(matrix[a, c]), 4),
    }


def _copied(path: str, folder: Path, name: str) -> str:
    target = folder / f"{name}{Path(path).suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return target.relative_to(folder).as_posix()
