"""What equal mean features of the sources would gain, without any training to reach them.

Where the classes' mean features are equal, no linear classifier does better than a constant guess
on the features that the means were taken of (Belrose et al., LEACE: Perfect linear concept erasure
in closed form, NeurIPS 2023). So a trained model is scored again on the targets after the few
directions in which its sources' means differ have been taken out: what that gains is what such
traces of the source cost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F

from ..evaluation import TargetResult, as_row, score_splits
from .probes import central_probe, domain_probe, fitted_people
from .samples import Sample

METRICS = ("rank-1", "mAP")


@dataclasses.dataclass(frozen=True)
class Erasure:
    """Takes the differences between classes' mean features out of features.

    Attributes:
        mean: (D,) mean of the classes' means, which is left as it is.
        basis: (k, D) orthonormal directions that span the differences.
    """

    mean: NDArray
    basis: NDArray

    def __call__(self, features: NDArray) -> NDArray:
        """(n, D) features without those directions, orthogonally projected."""
        return features - (features - self.mean) @ self.basis.T @ self.basis


def erasure(features: NDArray, labels: NDArray) -> Erasure:
    """The erasure of what labels say of features.

    Args:
        features: (n, D).
        labels: (n,) class of each; classes count alike, however many features they have.
    """
    means = np.stack([features[labels == label].mean(0) for label in np.unique(labels)])
    mean = means.mean(0)
    _, lengths, directions = np.linalg.svd(means - mean, full_matrices=False)
    # The differences of C means have C - 1 directions at most; fewer where means coincide.
    return Erasure(mean, directions[lengths > 1e-6 * np.abs(means).max()])


def erased(
    sample: Sample, central: str, targets: Mapping[str, TargetResult], **scoring: Any
) -> dict[str, Any]:
    """``erased`` of a record.

    The means are those of every second identity of each source, as in :mod:`.probes`; the others
    tell whether the source is gone, and no target has a part in it.

    Args:
        sample: of the sources.
        central: the configured centre; any other word leaves ``centre`` out.
        targets: of the same model.
        **scoring: as the targets were scored.

    Returns:
        By what was taken out, ``sources`` (which of the S sources it is) and ``centre`` (whether
        it is the centre: the discriminator's question): the number of ``directions``, the share
        of the features' ``variance`` in them, the linear ``probe`` afterwards on the other people
        (as ``domain_probe``'s accuracy and ``central_probe``'s balanced one) and ``scores`` of
        each target, ``rank-1`` and ``mAP`` as fractions. Empty for a single source.
    """
    if len(sample.names) < 2:
        return {}
    questions = {"sources": sample.domain}
    if central in sample.names:
        questions["centre"] = (sample.domain == sample.names.index(central)).astype(int)
    fitted = fitted_people(sample)
    centred = sample.features - sample.features.mean(0)
    # Collapsed features have no variance, and none is taken out.
    variance = np.square(centred).sum() or 1.0
    found = {}
    for question, labels in questions.items():
        erase = erasure(sample.features[fitted].astype(np.float64), labels[fitted])
        without = dataclasses.replace(sample, features=erase(sample.features))
        found[question] = {
            "directions": len(erase.basis),
            "variance": float(np.square(centred @ erase.basis.T).sum() / variance),
            "probe": (
                domain_probe(without)["accuracy"]
                if question == "sources"
                else (central_probe(without, central) or {})["balanced"]
            ),
            "scores": {name: _scores(each, erase, scoring) for name, each in targets.items()},
        }
    return found


def _scores(target: TargetResult, erase: Erasure, scoring: Mapping[str, Any]) -> dict[str, float]:
    # Normalised before, as the sources' features are, and once more by the scoring.
    features = erase(F.normalize(target.features).numpy())
    again = score_splits(target.splits, target.features.new_tensor(features), **scoring)
    row = as_row(again.mean)
    return {metric: float(row[metric]) for metric in METRICS}
