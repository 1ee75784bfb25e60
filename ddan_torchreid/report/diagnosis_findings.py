"""What the diagnosis of Table 5's rows says, one sentence for each question."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from ..experiments.ablation import ABLATION
from ..experiments.statistics import seed_interval
from . import diagnosis, erasure_parts
from .blocks import Finding
from .comparison import common_seeds, decimals, mean_std, rounded, seed_count, sentence
from .diagnosis import TERMS, Measure, per_seed, values
from .results import Experiment, Row

_Rows = Mapping[str, Row]


def why(experiment: Experiment) -> list[Finding]:
    """The sentences, first of the rows with BN, then, aside, of those with IN/BN."""
    sentences: list[Finding] = []
    for prefix in ("", "in_bn_"):
        rows = {
            key: experiment.rows[prefix + key]
            for key in ABLATION
            if prefix + key in experiment.rows
        }
        found = [*_gradients(rows), *_discriminator(rows), *_probe(rows), *_centre(rows)]
        found += [*_distances(rows), *erasure_parts.findings(rows), *_neighbours(rows)]
        sentences += [dataclasses.replace(each, aside=bool(sentences)) for each in found]
    return sentences


def _gradients(rows: _Rows) -> list[Finding]:
    sentences = []
    for term in ("gradient_loss_confusion", "gradient_loss_similarity"):
        # Under the row with the most terms.
        shares = {row.label: values(row, diagnosis.gradient_share(term)) for row in rows.values()}
        label, share = next(((k, v) for k, v in reversed(shares.items()) if v), ("", []))
        if share:
            sentences.append(
                Finding(
                    f"{TERMS[term]}'s weighted gradient on the mapping network is "
                    f"{rounded(share)} % of L_IDE's under {label} (mean over the epochs with the "
                    f"term, {seed_count(len(share))})."
                )
            )
    return sentences


def _discriminator(rows: _Rows) -> list[Finding]:
    for row in (rows[key] for key in ("alignment", "similarity") if key in rows):
        right, guess = (
            per_seed(row, measure) for measure in (diagnosis.discriminator, diagnosis.larger_class)
        )
        seeds = sorted(set(right) & set(guess))
        if not seeds:
            continue
        before, after = ([each[seed] for seed in seeds] for each in (guess, right))
        return [
            sentence(
                f"In the last epoch the discriminator is right in {mean_std(after)} % of a batch "
                f"under {row.label}, always guessing the larger class in {mean_std(before)} %",
                "points",
                seed_interval(np.subtract(after, before)),
                seed_count(len(seeds)),
                len(seeds),
            )
        ]
    return []


def _probe(rows: _Rows) -> list[Finding]:
    def words(before: list[float], after: list[float], first: Row, second: Row) -> str:
        chance = values(second, diagnosis.probe_chance)
        return (
            f"A linear probe names the source of {mean_std(before)} % of the training images of "
            f"people that it was not fitted on under {first.label} and of {mean_std(after)} % "
            f"under {second.label}"
            + (f" (always the largest source: {mean_std(chance)} %)" if chance else "")
        )

    return _step(rows, "triplet", "alignment", diagnosis.probe, words)


def _centre(rows: _Rows) -> list[Finding]:
    """Whether the discriminator's task can be done before anything is aligned, and after."""

    def words(before: list[float], after: list[float], first: Row, second: Row) -> str:
        return (
            "A linear probe tells training images of the centre from those of the other sources, "
            f"of people that it was not fitted on, in {mean_std(before)} % of cases (both sides "
            f"counted alike; chance: 50 %) under {first.label} and in {mean_std(after)} % under "
            f"{second.label}"
        )

    return _step(rows, "triplet", "alignment", diagnosis.central_probe, words)


def _distances(rows: _Rows) -> list[Finding]:
    def words(before: list[float], after: list[float], first: Row, second: Row) -> str:
        digits = decimals(max(before + after))
        return (
            f"The mean Eq. 3 distance between different sources is {mean_std(before, digits)} "
            f"under {first.label} and {mean_std(after, digits)} under {second.label}"
        )

    return _step(rows, "triplet", "alignment", diagnosis.apart, words, relative=True)


def _neighbours(rows: _Rows) -> list[Finding]:
    def words(before: list[float], after: list[float], first: Row, second: Row) -> str:
        chance = values(second, diagnosis.found_by_chance)
        return (
            "Of the people drawn with look-alikes in other sources, "
            f"{mean_std(before)} % have one among their nearest people there under {first.label} "
            f"and {mean_std(after)} % under {second.label}"
            + (f" (random neighbours: {mean_std(chance)} %)" if chance else "")
        )

    steps = (("triplet", "alignment"), ("alignment", "similarity"))
    return [each for step in steps for each in _step(rows, *step, diagnosis.found, words)]


def _step(
    rows: _Rows,
    first: str,
    second: str,
    measure: Measure,
    words: Callable[[list[float], list[float], Row, Row], str],
    relative: bool = False,
) -> list[Finding]:
    """A measure under two rows, over the seeds that both have; in percent or as it is."""
    if first not in rows or second not in rows:
        return []
    both = [per_seed(rows[key], measure) for key in (first, second)]
    alike = common_seeds(rows[first], rows[second])
    seeds = [seed for seed in alike if seed in both[0] and seed in both[1]]
    before, after = ([each[seed] for seed in seeds] for each in both)
    if not seeds or (relative and min(before) <= 0):
        return []
    change = np.subtract(after, before)
    if relative:
        change = 100 * change / np.array(before)
    return [
        sentence(
            words(before, after, rows[first], rows[second]),
            "%" if relative else "points",
            seed_interval(change),
            seed_count(len(seeds)),
            len(seeds),
        )
    ]
