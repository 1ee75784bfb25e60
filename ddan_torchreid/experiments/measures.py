"""What tables and figures show beside scores, from the features that a run left in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from ..method.central_domain import wasserstein_distance
from . import samples
from .probes import by_domain
from .ranking_sheet import ranking_sheet
from .runs import Plan, Run
from .samples import Sample
from .training_run import outcome
from .triples import find_triples

EMBEDDED = 200
"""Images of each source in Figure 2."""
SHOWN = 6
"""Triples of Table 4 that are shown with pictures."""


def measure(plan: Plan, run: Run) -> dict[str, Any]:
    """The further entries of a run's record; see :mod:`.records`."""
    experiment, folder = plan.options.experiment, plan.options.output
    name = f"{experiment}-{run.row.key}-seed{run.seed}"
    if run.row.needs:
        other = samples.read(plan.job_of(run.row.needs, run.seed).folder)
    extras: dict[str, Any] = {}
    if experiment == "table1":
        picture = f"{experiment}/{name}.png"
        rankings = (outcome(run.job) or {})["rankings"]
        if any(rankings.values()):
            ranking_sheet(rankings, run.job.config.data.root, folder / picture)
            extras["ranking_picture"] = picture
    elif experiment == "table2" and run.row.needs:
        extras["distances"] = to_baseline(samples.read(run.job.folder), other)
    elif experiment == "table4" and run.row.needs:
        extras = find_triples(
            other, samples.read(run.job.folder), SHOWN, folder, f"{experiment}/{name}"
        )
    elif experiment == "figure2":
        extras["embedding"] = {"file": f"{experiment}/{name}.npz"}
        write_embedding(samples.read(run.job.folder), folder / extras["embedding"]["file"])
    if run.row.parameter is not None:
        extras["parameter"] = dict(zip(("name", "value"), run.row.parameter, strict=True))
    return extras


def to_baseline(sample: Sample, baseline: Sample) -> dict[str, Any]:
    """Table 2's last row: how far a model has moved each source from where the baseline had it."""
    moved, before = by_domain(sample), by_domain(baseline)
    costs = [wasserstein_distance(before[name], moved[name]) for name in sample.names]
    return {"names": sample.names, "to_baseline": costs}


def write_embedding(sample: Sample, path: Path) -> None:
    """Figure 2: t-SNE of the same images of each source under every model.

    Args:
        sample: features of the sources.
        path: ``.npz`` file with ``xy`` (n, 2), ``domain`` (n,) and ``names``.
    """
    chosen = _first_of_each(sample.domain, EMBEDDED)
    # scikit-learn wants fewer neighbours than images.
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    embed = TSNE(init="pca", perplexity=perplexity, random_state=0)
    xy = embed.fit_transform(sample.features[chosen])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, xy=xy, domain=sample.domain[chosen], names=np.array(sample.names))


def _first_of_each(domain: NDArray, count: int) -> NDArray:
    # In a random order, the same for every model: the images lie sorted by identity.
    order = np.random.default_rng(0).permutation(len(domain))
    chosen = [order[domain[order] == number][:count] for number in np.unique(domain)]
    return np.sort(np.concatenate(chosen))
