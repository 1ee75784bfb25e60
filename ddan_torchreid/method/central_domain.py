"""Which source domain is the central one (Chen et al., AAAI 2021): Eq. 3 and Table 2."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Far more than the network simplex needs for a few thousand samples; POT warns if it is reached.
_MAX_EXACT_ITERATIONS = 100_000_000
_MAX_SINKHORN_ITERATIONS = 10_000

Features = Tensor | NDArray
"""(n, D) features of n samples, as a tensor on any device or as an array."""


def wasserstein_distance(
    a: Features, b: Features, solver: str = "exact", regularisation: float = 0.1
) -> float:
    """Optimal-transport cost between two samples of features (d_WS in Eq. 3).

    The features are L2-normalised, every sample has the same weight, and moving one unit of weight
    costs the squared Euclidean distance, so the result lies in [0, 4].

    Args:
        a: (n, D) features, n >= 2.
        b: (m, D) features, m >= 2.
        solver: ``'exact'`` (network simplex) or ``'sinkhorn'`` (entropy-regularised, in the log
            domain): the transport cost of the regularised plan, never below the exact one.
        regularisation: weight of the entropy for ``'sinkhorn'``; the authors' release has 0.1.

    Raises:
        ValueError: the features are not finite matrices of the same D with two rows or more, the
            solver is unknown, or the regularisation is not positive.
    """
    return _transport_cost(_unit_rows(a, "a"), _unit_rows(b, "b"), solver, regularisation)


def domain_distances(
    features: Mapping[str, Features],
    max_samples: int = 1000,
    solver: str = "exact",
    seed: int = 0,
    regularisation: float = 0.1,
) -> tuple[list[str], NDArray[np.float64]]:
    """Distances between all pairs of domains (the upper part of Table 2).

    Args:
        features: (n_s, D) features of each domain under the baseline model, by name.
        max_samples: a larger domain is sampled down to so many, without replacement. The time
            grows with about the third power.
        solver, regularisation: see :func:`wasserstein_distance`.
        seed: of the samples. That of a domain does not depend on the other domains.

    Returns:
        The names in the order given and a symmetric (S, S) matrix with a zero diagonal.

    Raises:
        ValueError: there are fewer than two domains, max_samples is less than 2, or for the
            reasons of :func:`wasserstein_distance`.
    """
    if len(features) < 2:
        raise ValueError(f"distances need at least 2 domains, got {sorted(features)}")
    return list(features), _matrix(_samples(features, max_samples, seed), solver, regularisation)


def self_distances(
    features: Mapping[str, Features], max_samples: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Distance of each domain to itself: between two disjoint random samples of it.

    Two finite samples of one distribution are never at distance zero, and in 1280 dimensions far
    from it. A distance between two domains means something by what it exceeds this one.

    Args:
        features: as in :func:`domain_distances`, of one domain or more.
        max_samples: rows of each of the two samples. A domain with fewer than twice as many is
            split in halves; as distances shrink when samples grow, its distance is then too large
            for the comparison.
        seed: of the samples.

    Returns:
        (S,) distances in the order given.

    Raises:
        ValueError: as :func:`domain_distances`.
    """
    pairs = _disjoint_samples(features, max_samples, seed)
    return np.array([_transport_cost(*pair) for pair in pairs])


def choice_noise(
    features: Mapping[str, Features],
    self_distances: NDArray,
    max_samples: int = 1000,
    seed: int = 0,
) -> float:
    """How far the sums of Eq. 3 of two domains may lie apart because the samples are finite.

    It adds up two parts. First, a distance between samples of domains i and j is too large by about
    (w_i + w_j) / 2, w being the self-distances, which is what the Sinkhorn divergence subtracts
    (Feydy et al., AISTATS 2019). In the difference between two sums the other domains cancel, and
    at most (S - 2) / 2 (max w - min w) is left. Second, sums change with the sample: twice the
    standard deviation of their differences, from the two disjoint samples of each domain that
    :func:`self_distances` compares. This takes twice the time of :func:`domain_distances`.

    Args:
        features, max_samples, seed: as in :func:`domain_distances`.
        self_distances: (S,) w, for the same samples.
    """
    pairs = _disjoint_samples(features, max_samples, seed)
    first, second = (_matrix(side).sum(axis=1) for side in zip(*pairs, strict=True))
    # The change has the variance of two sums, and so has the difference between two domains.
    chance = float(np.std(first - second, ddof=1))
    return (len(pairs) - 2) / 2 * float(np.ptp(self_distances)) + 2 * chance


def central_domain(names: Sequence[str], matrix: NDArray) -> str:
    """The domain with the smallest sum of distances to the others (Eq. 3).

    Args:
        names: S names of domains.
        matrix: (S, S) distances; the diagonal does not count.

    Returns:
        The name; of several with the same sum, the first.

    Raises:
        ValueError: there are fewer than two domains, or the matrix has another shape or is not
            finite.
    """
    return names[int(_sums(names, matrix).argmin())]


def format_distances(
    names: Sequence[str], matrix: NDArray, self_distances: NDArray | None = None
) -> str:
    """A text table like Table 2, the central domain marked by an asterisk.

    Args:
        names: S names of domains.
        matrix: (S, S) distances.
        self_distances: (S,) distances of each domain to itself, for a column of their own.

    Raises:
        ValueError: as :func:`central_domain`.
    """
    sums = _sums(names, matrix)
    rows = [["", *names, "Sum"]]
    for i, name in enumerate(names):
        distances = ["0" if i == j else _digits(d) for j, d in enumerate(matrix[i])]
        rows.append([f"{name} *" if i == sums.argmin() else name, *distances, _digits(sums[i])])
    if self_distances is not None:
        for row, cell in zip(rows, ["To itself", *map(_digits, self_distances)], strict=True):
            row.append(cell)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([*lines, "", "* central domain: the smallest sum (Eq. 3)"])


def _digits(distance: float) -> str:
    # Between features of a network that distinguishes nothing, all are far below 0.001.
    return f"{distance:.3f}" if distance == 0 or distance >= 0.01 else f"{distance:.1e}"


def _sums(names: Sequence[str], matrix: NDArray) -> NDArray:
    matrix = np.asarray(matrix)
    if len(names) < 2 or matrix.shape != (len(names), len(names)) or not np.isfinite(matrix).all():
        raise ValueError(
            "the central domain needs S >= 2 names and an (S, S) matrix of distances without NaN "
            f"or infinity, got {len(names)} names and {matrix.shape}"
        )
    return (matrix * ~np.eye(len(names), dtype=bool)).sum(axis=1)


def _samples(
    features: Mapping[str, Features], max_samples: int, seed: int, copies: int = 1
) -> list[NDArray[np.float64]]:
    if max_samples < 2:
        raise ValueError(f"max_samples must be at least 2, got {max_samples}")
    samples = []
    for name, x in features.items():
        # A generator for each domain: its sample must not depend on the others.
        order = np.random.default_rng(seed).permutation(len(x))[: copies * max_samples]
        samples.append(_unit_rows(x[order], name))
    return samples


def _disjoint_samples(
    features: Mapping[str, Features], max_samples: int, seed: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    samples = _samples(features, max_samples, seed, copies=2)
    return [(x[: len(x) // 2], x[len(x) // 2 : len(x) // 2 * 2]) for x in samples]


def _matrix(
    samples: Sequence[NDArray[np.float64]], solver: str = "exact", regularisation: float = 0.1
) -> NDArray[np.float64]:
    matrix = np.zeros((len(samples), len(samples)))
    for (i, a), (j, b) in itertools.combinations(enumerate(samples), 2):
        matrix[i, j] = matrix[j, i] = _transport_cost(a, b, solver, regularisation)
    return matrix


def _unit_rows(x: Features, name: str) -> NDArray[np.float64]:
    """(n, D) features of length one, checked."""
    if isinstance(x, Tensor):
        x = x.detach().double().cpu().numpy()
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError(
            f"features of {name} must be (n, D) with n >= 2 and without NaN or infinity, "
            f"got {rows.shape}"
        )
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _transport_cost(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    solver: str = "exact",
    regularisation: float = 0.1,
) -> float:
    if solver not in ("exact", "sinkhorn"):
        raise ValueError(f"unknown solver {solver!r}: use 'exact' or 'sinkhorn'")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features have different dimensions: {a.shape[1]} and {b.shape[1]}")
    import ot  # takes longer to import than all of this package

    costs = ot.dist(a, b, metric="sqeuclidean")
    # Empty weights mean uniform ones.
    if solver == "exact":
        return float(ot.emd2([], [], costs, numItermax=_MAX_EXACT_ITERATIONS))
    if not regularisation > 0:
        raise ValueError(f"regularisation must be greater than 0, got {regularisation}")
    # Not "sinkhorn_stabilized": from 1000 samples on, POT 0.9.7 returns a millionth of the cost.
    options = {"method": "sinkhorn_log", "numItermax": _MAX_SINKHORN_ITERATIONS, "warn": True}
    return float(ot.sinkhorn2([], [], costs, regularisation, **options))
