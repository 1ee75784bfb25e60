"""What each table shows, one sentence for each question, made from its numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..experiments.ablation import short
from ..experiments.statistics import crossed_interval, seed_interval
from . import home_parts, search_parts
from .blocks import Finding
from .comparison import (
    common_seeds,
    comparisons,
    decimals,
    mean_std,
    runs,
    seed_count,
    sentence,
    title,
)
from .diagnosis_findings import why
from .feature_parts import matrices
from .results import Experiment, Results, Row
from .score_parts import swept

RANK1 = "points of mean rank-1"


def findings(experiment: Experiment, results: Results) -> list[Finding]:
    """The sentences that open a section and the report; a part without data has none."""
    by_name = {
        "table2": _central_domain,
        "table4": _triples,
        "figure2": _distances,
        "figure3": _sweeps,
    }
    if experiment.name == "table3":
        return _centres(experiment, _chosen_centre(results))
    if experiment.name == search_parts.NAME:
        return search_parts.selection(experiment)
    own = by_name[experiment.name](experiment) if experiment.name in by_name else []
    # What a figure is about is not its rows' rank-1; the tables below have that too.
    if experiment.name.startswith("figure"):
        return own
    if experiment.name != "table5":
        return [*own, *_differences(experiment)]
    return [*_differences(experiment), *home_parts.findings(experiment), *why(experiment)]


def _differences(experiment: Experiment) -> list[Finding]:
    found = comparisons(experiment, "rank-1")
    # The question about the whole comes before those about its parts.
    found.sort(key=lambda each: (each.after.key.startswith("in_bn_"), " alone" not in title(each)))
    return [
        sentence(title(each), RANK1, each.interval, each.runs, len(each.cells)) for each in found
    ]


def _central_domain(experiment: Experiment) -> list[Finding]:
    found = next(filter(None, map(matrices, experiment.rows.values())), [])
    if not found:
        return []
    names = found[0]["names"]
    chosen = Counter(each["central"] for each in found if each.get("central"))
    sums = np.mean([each["matrix"] for each in found], axis=0).sum(1)
    if not sums.any():
        return [
            Finding("All recorded distances are zero, so no domain is more central than another.")
        ]
    digits = decimals(float(sums.max()))
    first, second = np.argsort(sums)[:2] if len(names) > 1 else (0, 0)
    choice = ", ".join(f"{short(name)} in {n}" for name, n in chosen.most_common())
    sentences = [
        Finding(
            f"Eq. 3 chooses {choice} of {seed_count(len(found))}; the mean sum of "
            f"{short(names[first])} is {sums[first]:.{digits}f}, the next is "
            f"{short(names[second])}'s with {sums[second]:.{digits}f}."
        )
    ]
    own = [each["self"] for each in found if "self" in each]
    if own and len(names) > 1:
        apart = np.mean([each["matrix"] for each in found], axis=0)
        least = apart[~np.eye(len(names), dtype=bool)].min()
        sentences.append(
            Finding(
                "A domain's distance to itself, between two halves of its sample, is "
                f"{np.mean(own):.{digits}f} on average, somewhat too large, as half as many "
                "images are compared; the smallest distance between two domains is "
                f"{least:.{digits}f}."
            )
        )
    return sentences if chosen else sentences[1:]


def _chosen_centre(results: Results) -> str:
    """What Eq. 3 chose most often under the baseline; empty if it was not asked."""
    chosen: Counter[str] = Counter()
    for name, key in (("table2", "baseline"), ("figure2", "triplet")):
        experiment = results.experiments.get(name)
        if experiment and key in experiment.rows and not chosen:
            found = matrices(experiment.rows[key])
            chosen.update(each["central"] for each in found if each.get("central"))
    return max(chosen, key=lambda name: chosen[name], default="")


def _centres(experiment: Experiment, chosen: str) -> list[Finding]:
    centres = {key: row for key, row in experiment.rows.items() if key != "pairwise"}
    pairwise = experiment.rows.get("pairwise")
    sentences: list[Finding] = []
    if chosen in centres and len(centres) > 1:
        others = [row for key, row in centres.items() if key != chosen]
        sources = {name for record in experiment.records for name in record.get("sources", [])}
        rest = len(sources) - len(centres)
        sentences += _against(
            f"{short(chosen)} as the centre, which Eq. 3 chose, against "
            + (f"the mean of {len(others)} other centres" if len(others) > 1 else others[0].label)
            + (f" ({rest} of {len(sources)} sources were not tried)" if rest > 0 else ""),
            centres[chosen],
            others,
        )
    if pairwise:
        rows = [centres[chosen]] if chosen in centres else []
        name = f"{short(chosen)} as the centre against pairwise alignment"
        for row in rows:
            sentences += _against(name, row, [pairwise])
    means = _common_means([row for row in centres.values() if row.finished])
    if len(means) > 1:
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        sentences.append(
            Finding(
                f"Mean rank-1 goes from {means[worst]:.1f} % with {worst} as the centre to "
                f"{means[best]:.1f} % with {best}."
            )
        )
    return sentences


def _common_means(rows: list[Row]) -> dict[str, float]:
    """Each row's mean rank-1 by label, over the seeds that all have; empty if there are none."""
    seeds = set(common_seeds(*rows)) if rows else set()
    common = [
        Row(row.key, row.label, [each for each in row.finished if each["seed"] in seeds])
        for row in rows
    ]
    return {row.label: row.mean_per_seed("rank-1").mean() for row in common if row.records}


def _against(name: str, row: Row, others: list[Row]) -> list[Finding]:
    """A row against the mean of others, on the seeds and targets that all of them have."""
    runs_of = [{r["seed"]: r["scores"] for r in each.finished} for each in (row, *others)]
    seeds = common_seeds(row, *others)
    targets = [
        target
        for target in row.targets()
        if all("rank-1" in run[seed].get(target, {}) for run in runs_of for seed in seeds)
    ]
    if not seeds or not targets:
        return []
    cells = 100 * np.array(
        [[[run[s][t]["rank-1"] for t in targets] for s in seeds] for run in runs_of]
    )
    interval = crossed_interval(cells[0] - cells[1:].mean(0))
    return [sentence(name, RANK1, interval, runs(len(seeds), len(targets)), len(seeds))]


def _triples(experiment: Experiment) -> list[Finding]:
    counts = [
        record["triple_counts"] for record in experiment.records if record.get("triple_counts")
    ]
    if not counts:
        return []
    # In percent of the triples, so that seeds with more of them do not weigh more.
    net = [100 * (each["mended"] - each["broken"]) / max(1, each["triples"]) for each in counts]
    mended, broken, total = (
        sum(each[key] for each in counts) for key in ("mended", "broken", "triples")
    )
    return [
        sentence(
            f"L_SE mends the order of {mended} image triples of {total} and breaks that of "
            f"{broken}, mended minus broken",
            "% of the triples",
            seed_interval(net),
            seed_count(len(counts)),
            len(counts),
        )
    ]


def _distances(experiment: Experiment) -> list[Finding]:
    rows = [row for row in experiment.rows.values() if matrices(row)]
    if len(rows) < 2:
        return []
    first, last = rows[0], rows[-1]
    sums = [_sums(row) for row in (first, last)]
    seeds = sorted(set(sums[0]) & set(sums[1]))
    if not seeds:
        return []
    before, after = ([each[seed] for seed in seeds] for each in sums)
    digits = decimals(max(before + after))
    change = 100 * (np.array(after) / np.array(before) - 1)
    return [
        sentence(
            f"Sum of the distances between the sources: {mean_std(before, digits)} under "
            f"{first.label}, {mean_std(after, digits)} under {last.label}",
            "%",
            seed_interval(change),
            seed_count(len(seeds)),
            len(seeds),
        )
    ]


def _sums(row: Row) -> dict[int, float]:
    found = {
        record["seed"]: float(np.triu(record["distances"]["matrix"], 1).sum())
        for record in row.records
        if "matrix" in record.get("distances", {})
    }
    return {seed: total for seed, total in found.items() if total > 0}


def _sweeps(experiment: Experiment) -> list[Finding]:
    sentences: list[Finding] = []
    off = experiment.rows.get("k-0")
    eight = experiment.rows.get("k-8")
    if off and eight:
        sentences += _against("k = 8, the paper's value, against k = 0, no L_SE", eight, [off])
    for name, words in (("top_k", "k"), ("temperature", "tau")):
        rows = [row for row in swept(experiment, name) if row.mean_per_seed("rank-1").size]
        if len(rows) < 2:
            continue
        means = _common_means(rows)
        if not means:
            continue
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        sentences.append(
            Finding(
                f"Over {words}, mean rank-1 is highest at {best} "
                f"({means[best]:.1f} %) and lowest at {worst} ({means[worst]:.1f} %); "
                f"these are the extremes of {len(rows)} values on the reported targets, so the "
                "gap flatters the best one."
            )
        )
    return sentences
