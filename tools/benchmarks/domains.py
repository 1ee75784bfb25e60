"""Eq. 3: exact distances between five domains, and of each to itself."""

from __future__ import annotations

import tracemalloc

import numpy as np

from ddan_torchreid.method.central_domain import domain_distances, format_distances, self_distances

from .results import Result
from .timing import Options, interleaved

TITLE = "Eq. 3, exact transport between five domains of 1,000 images each, 1280 numbers an image"


def run(options: Options) -> Result:
    """Times the matrix with the distances to itself, and looks at the memory."""
    result = Result("domains", TITLE)
    count = options.size(1000, 20)
    rng = np.random.default_rng(0)
    # Domains of different means; twice the images, for two samples of each.
    features = {
        name: np.maximum(rng.normal(rng.normal(0, 0.3, 1280), 1, (2 * count, 1280)), 0)
        for name in ("a", "b", "c", "d", "e")
    }
    variants = {
        "matrix": lambda: domain_distances(features, max_samples=count),
        "all": lambda: (
            domain_distances(features, max_samples=count),
            self_distances(features, max_samples=count),
        ),
    }
    seconds = interleaved(variants, options.rounds_or(3), options.clock(), warm_up=False)
    for name, what in (("matrix", "the ten distances"), ("all", "and the five to itself")):
        low, middle, high = np.quantile(seconds[name], [0.25, 0.5, 0.75])
        result.add(what, f"{middle:.2f} s ({low:.2f} to {high:.2f})", "<= 5 s")

    tracemalloc.start()
    names, matrix = domain_distances(features, max_samples=count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result.add(
        "most memory of arrays", f"{peak / 1e6:.0f} MB", f"n*n*d would be {count**2 * 10240:.1e} B"
    )
    own = self_distances(features, max_samples=count)
    between = matrix[~np.eye(len(names), dtype=bool)]
    result.add(
        "distance of a domain to itself, of the smallest between two",
        f"{own.max() / between.min():.2f}",
    )
    print(format_distances(names, matrix, own))
    return result
