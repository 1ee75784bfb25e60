"""The section on settings that were tried: what it cost, and that it is selection."""

from __future__ import annotations

from collections.abc import Sequence

from ..experiments.ablation import short
from .blocks import Block, Finding, Paragraph
from .comparison import between, comparisons, signed
from .results import Experiment, Results

NAME = "search"
VERDICT = "selection, not evidence"


def cost(experiment: Experiment, results: Results) -> list[Block]:
    """What was tried on which domains, in how many runs and hours."""
    if experiment.name != NAME:
        return []
    # Two rows may be one setting: then they share their runs.
    trained = {(each["digest"], each["seed"]): each for each in experiment.records}
    hours = sum(record.get("seconds", 0) for record in trained.values()) / 3600
    text = (
        f"{len(settings(experiment))} settings were tried in {len(trained)} runs, "
        f"{f'{hours:.1f}' if hours >= 0.1 else 'less than 0.1'} hours of training and scoring. "
        f"{where(experiment, results)} What follows guided the choice of settings and is no "
        "evidence for them: that is in the sections on the reported targets."
    )
    return [Paragraph(text)]


def settings(experiment: Experiment) -> set[str]:
    """Digests of the configurations that its rows stand for."""
    return {record["digest"] for record in experiment.records}


def where(experiment: Experiment, results: Results) -> str:
    """Whether the domains of a search were kept apart from sources and reported targets."""
    own = list(dict.fromkeys(_names(experiment, "targets")))
    used = {
        name
        for each in results.experiments.values()
        for name in (
            *_names(each, "sources"),
            *(_names(each, "targets") if each.name != NAME else ()),
        )
    }
    shared = [name for name in own if name in used]
    words = f"The scores of the search are on {_listed(own)}"
    if shared:
        return f"{words}, of which {_listed(shared)} served as source or reported target too."
    return f"{words}: validation domains that are neither sources nor reported targets."


def selection(experiment: Experiment) -> list[Finding]:
    """The setting with the highest mean rank-1, said to be one of several.

    Means over different numbers of seeds do not compare: the seeds of the row that has more of them
    may be harder. So only the rows with the most seeds do.
    """
    finished = {key: row for key, row in experiment.rows.items() if row.finished}
    most = max((len(row.finished) for row in finished.values()), default=0)
    means = {
        key: row.mean_per_seed("rank-1").mean()
        for key, row in finished.items()
        if len(row.finished) == most
    }
    if len(means) < 2:
        return []
    tried = f"Of {len(finished)} rows tried on validation domains, "
    if len(means) < len(finished):
        tried += f"{len(means)} were tried with {most} seeds and the others with fewer; of these, "
    best = max(means, key=means.__getitem__)
    against = ""
    for each in comparisons(experiment, "rank-1"):
        if each.after.key == best:
            against = (
                f", {signed(each.interval.mean)} points against {each.before.label} "
                f"(95 % CI {between(each.interval)}, {each.runs})"
            )
    text = (
        f"{tried}{experiment.rows[best].label} has the highest mean rank-1, "
        f"{means[best]:.1f} %{against}; the highest of several flatters itself:"
    )
    return [Finding(text, VERDICT)]


def _names(experiment: Experiment, key: str) -> list[str]:
    return [name for record in experiment.records for name in record.get(key, [])]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(short, names))
