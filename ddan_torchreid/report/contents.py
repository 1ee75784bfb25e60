"""From results to a report: a section for each experiment that was run."""

from __future__ import annotations

import re
from pathlib import Path

from ..experiments.rows import TITLES
from . import (
    diagnosis_parts,
    erasure_parts,
    feature_parts,
    home_parts,
    power_parts,
    provenance,
    score_parts,
    search_parts,
    training_parts,
)
from .blocks import Block, Paragraph, Report, Section
from .comparison import FEW_SEEDS
from .findings import findings
from .limits import limits
from .pictures import Folder
from .results import Experiment, Results

INTRODUCTION = (
    "Differences are between runs with the same seed, in percentage points, with bootstrap "
    "intervals over seeds and targets, or Student's t where there is one value a seed. An interval "
    "that contains zero shows no difference; one seed shows nothing about the next. Over few seeds "
    "or targets bootstrap intervals are mostly too narrow."
)


def report(results: Results, root: str | Path | None = None, brief: bool = False) -> Report:
    """Everything that the results hold, and nothing that they do not.

    Args:
        results: of an output folder.
        root: data root, for the photographs of ranked results.
        brief: without the curves of training, and the pictures whose numbers stand in tables.
    """
    # How settings were chosen, the paper's order, then what it does not have.
    ordered = dict.fromkeys([search_parts.NAME, *TITLES])
    known = [name for name in ordered if name in results.experiments]
    names = [*known, *(name for name in results.experiments if name not in TITLES)]
    experiments = {name: results.experiments[name] for name in names}
    titles = {name: TITLES.get(name, name) for name in names}
    results = Results(results.folder, experiments, results.superseded)
    folder = Folder(results.folder)
    images = Folder(Path(root)) if root else None
    sections, reported = [], []
    drawn: dict[tuple[str, int], str] = {}
    for number, (name, experiment) in enumerate(experiments.items(), start=1):
        runs = [(record["digest"], record["seed"]) for record in experiment.records]
        shared = list(dict.fromkeys(drawn.get(run, "") for run in runs))
        blocks = [
            *search_parts.cost(experiment, results),
            # What only some experiments have is what those are about, so it comes first.
            *score_parts.sweeps(experiment),
            *feature_parts.distances(experiment),
            *feature_parts.embeddings(experiment, folder),
            *feature_parts.triples(experiment, folder),
            *(_of_the_runs(experiment, brief) if "" in shared else _above(shared)),
            *training_parts.ranked_results(experiment, folder, images),
        ]
        if "" in shared:
            reported.append(name)
        drawn = dict.fromkeys(runs, titles[name]) | drawn
        anchor = f"{_anchor(name)}-{number}"
        sections.append(Section(titles[name], anchor, findings(experiment, results), blocks))
    sections.append(provenance.what_was_run(results, titles))
    sections.append(limits(results, reported))
    left_out = [*folder.left_out, *(images.left_out if images else [])]
    if left_out:
        blocks = [Paragraph(f"{line}.") for line in left_out]
        sections.append(Section("Files that are left out", "left-out", (), blocks))
    few = [titles[name].partition(":")[0] for name, each in experiments.items() if _is_few(each)]
    warning = f" Few seeds, so their intervals are likely too narrow: {', '.join(few)}."
    introduction = INTRODUCTION + (warning if few else "")
    return Report("DDAN: results of the experiments", introduction, sections)


def _is_few(experiment: Experiment) -> bool:
    return 1 < len(experiment.seeds) < FEW_SEEDS


def _of_the_runs(experiment: Experiment, brief: bool) -> list[Block]:
    return [
        *score_parts.differences(experiment),
        *power_parts.powers(experiment),
        *score_parts.scores(experiment, pictures=not brief),
        *home_parts.homes(experiment),
        *diagnosis_parts.gradients(experiment),
        *diagnosis_parts.domains(experiment),
        *erasure_parts.erasures(experiment),
        *diagnosis_parts.neighbours(experiment),
        *([] if brief else training_parts.curves(experiment)),
    ]


def _above(titles: list[str]) -> list[Block]:
    names = ", ".join(title.partition(":")[0] for title in titles)
    return [Paragraph(f"The same training runs as above: scores and curves are with {names}.")]


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "experiment"
