"""Why a model scores as it does: what its features still say of the source, and who is near whom.

All is measured on training images of the sources after training; no target has a part in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..data import rendered
from ..method.central_domain import central_domain, domain_distances, self_distances
from .samples import Sample, lookalikes

NEIGHBOURS = 8
"""k of Eq. 8 in the paper."""


def probe(sample: Sample, central: str = "") -> dict[str, Any]:
    """``distances``, ``domain_probe``, ``central_probe`` and ``neighbours`` of a record.

    Args:
        sample: of a trained model.
        central: the configured centre, whatever the model was aligned to: what ``central_probe``
            asks for, and whose people do not count as peripheral in ``neighbours``, so that rows
            with and without alignment are asked about the same people; any other word means that
            all do.

    Returns:
        Empty for a single source.
    """
    if len(sample.names) < 2:
        return {}
    found = {
        "distances": distances(sample),
        "domain_probe": domain_probe(sample),
        "central_probe": central_probe(sample, central),
        "neighbours": lookalikes_found(sample, central),
    }
    return {name: value for name, value in found.items() if value is not None}


def by_domain(sample: Sample) -> dict[str, NDArray]:
    """Features of each source."""
    return {
        name: sample.features[sample.domain == number] for number, name in enumerate(sample.names)
    }


def distances(sample: Sample) -> dict[str, Any]:
    """Table 2: distances between the sources, of each to itself, and the centre they choose."""
    features = by_domain(sample)
    names, matrix = domain_distances(features)
    return {
        "names": names,
        "matrix": matrix.tolist(),
        "self": self_distances(features).tolist(),
        "central": central_domain(names, matrix),
    }


def domain_probe(sample: Sample) -> dict[str, float]:
    """How well a linear classifier names the source from the features of people it has not seen.

    Returns:
        ``accuracy``, and ``chance``, the share of the largest source among the scored images.
    """
    guessed, true = _classified(sample, sample.domain)
    return {
        "accuracy": float((guessed == true).mean()),
        "chance": float(np.bincount(true).max() / len(true)),
    }


def central_probe(sample: Sample, central: str) -> dict[str, float] | None:
    """How well a linear classifier can do the discriminator's task: central domain or not.

    Returns:
        ``balanced``, the mean of the shares that it gets right of central and of peripheral
        images, of people it was not fitted on; 0.5 is chance. None if the centre is no source.
    """
    if central not in sample.names:
        return None
    guessed, true = _classified(sample, sample.domain == sample.names.index(central))
    right = guessed == true
    return {"balanced": float((right[true].mean() + right[~true].mean()) / 2)}


def fitted_people(sample: Sample) -> NDArray:
    """(n,) bool: the images of every second identity of each source, which probes are fitted on."""
    fitted = np.zeros(len(sample.pids), dtype=bool)
    for number in range(len(sample.names)):
        own = sample.domain == number
        fitted |= own & np.isin(sample.pids, np.unique(sample.pids[own])[::2])
    return fitted


def _classified(sample: Sample, labels: NDArray) -> tuple[NDArray, NDArray]:
    """Guessed and true labels of the people that nothing was fitted on."""
    fitted = fitted_people(sample)
    # Weighted as if the classes were of one size: the balanced accuracy is what is asked for.
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, max_iter=200, class_weight="balanced")
    )
    # What erasure leaves of a dead channel is rounding, which the scaler would blow up.
    spread = sample.features[fitted].std(0)
    features = sample.features[:, spread >= 1e-9 * spread.max()]
    classifier.fit(features[fitted], labels[fitted])
    return classifier.predict(features[~fitted]), labels[~fitted]


def lookalikes_found(
    sample: Sample, central: str = "", k: int = NEIGHBOURS
) -> dict[str, float] | None:
    """Whether the k nearest identities of other domains are the ones that look alike.

    An identity is the mean of its images' features m, as in the ID pool, and near is a high
    cosine similarity, as in its search. The renderer knows who looks like whom.

    Returns:
        None for other than drawn domains, or where nobody has a look-alike. Else ``k``;
        ``identities`` of the peripheral domains with a look-alike in another domain; the share of
        them that has one among its k nearest (``found``), and would have among k random ones
        (``chance``); ``colour``, the mean absolute difference (grey levels, 0 to 255) of the upper
        and lower garments' colours to the k nearest, and ``colour_chance``, to all others.
    """
    numbers = sample.drawn_numbers()
    if numbers is None or sample.mapped is None:
        return None
    _, first, identity = np.unique(sample.pids, return_index=True, return_inverse=True)
    domain, number = sample.domain[first], numbers[first]
    means = np.zeros((len(first), sample.mapped.shape[1]))
    np.add.at(means, identity, sample.mapped)
    # The mean of one identity's images has the direction of their sum.
    means /= np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-12)
    others = domain[:, None] != domain
    alike = lookalikes(sample.names, domain, number)
    asked = np.flatnonzero(alike.any(1) & (domain != _index(sample.names, central)))
    if not len(asked):
        return None
    similarity = np.where(others[asked], means[asked] @ means.T, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(alike[asked], nearest, axis=1).any(1)
    colours = _colours(sample.names, domain, number)
    difference = np.abs(colours[asked, None] - colours).mean(2)
    return {
        "k": k,
        "identities": len(asked),
        "found": float(found.mean()),
        "chance": float(_by_chance(alike[asked].sum(1), others[asked].sum(1), k).mean()),
        "colour": float(np.take_along_axis(difference, nearest, axis=1).mean()),
        "colour_chance": float(difference[others[asked]].mean()),
    }


def _index(names: list[str], name: str) -> int:
    return names.index(name) if name in names else -1


def _colours(names: list[str], domain: NDArray, number: NDArray) -> NDArray:
    """(N, 6) colours of the upper and the lower garment."""
    looks = [rendered.look_of(names[d], int(n)) for d, n in zip(domain, number, strict=True)]
    return np.array([(*look.upper, *look.lower) for look in looks], dtype=np.float64)


def _by_chance(right: NDArray, all_of_them: NDArray, k: int) -> NDArray:
    """Chance that k of some identities, drawn without replacement, have a right one among them."""
    drawn = np.arange(k)
    left = (all_of_them - right)[:, None] - drawn
    return 1 - np.prod(left.clip(min=0) / (all_of_them[:, None] - drawn).clip(min=1), axis=1)
