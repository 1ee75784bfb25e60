"""Tables 2 and 4: distances between the sources, and image triples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from . import paper
from .ablation import short
from .records import Record

PICTURES = ("anchor", "same_domain", "other_domain")

Results = Mapping[str, Sequence[Record]]


def distance_tables(results: Results) -> list[str]:
    """Table 2, means over the seeds, with the paper's below it."""
    known = {
        row: [record["distances"] for record in records if "distances" in record]
        for row, records in results.items()
    }
    parts = []
    if known.get("baseline"):
        found = known["baseline"]
        names = found[0]["names"]
        matrix = np.mean([each["matrix"] for each in found], axis=0)
        own = np.mean([each["self"] for each in found], axis=0)
        lines = [
            [short(name), *(f"{value:.3f}" for value in row), f"{row.sum():.3f}", f"{itself:.3f}"]
            for name, row, itself in zip(names, matrix, own, strict=True)
        ]
        if known.get("pairwise"):
            moved = np.mean([each["to_baseline"] for each in known["pairwise"]], axis=0)
            costs = [f"{value:.3f}" for value in moved]
            lines.append(["All domains", *costs, f"{moved.sum():.3f}", ""])
        parts.append(_matrix([*map(short, names), "Sum", "To itself"], lines))
        votes = Counter(each["central"] for each in found)
        chosen = ", ".join(f"{short(name)} ({n} of {len(found)})" for name, n in votes.items())
        parts.append(
            f"Central domain by Eq. 3, by seed: {chosen}. A domain's distance to itself, between "
            "two halves of its sample, is what sampling alone makes of a distance of zero, or "
            "more, as they have half as many images. The row “All domains” is the distance from "
            "the baseline's features to those of the model that was aligned pairwise."
        )
    lines = [
        [name, *(f"{value:.2f}" for value in row), f"{total:.2f}"]
        for name, row, total in zip(paper.SOURCES, paper.TABLE2, paper.TABLE2_SUMS, strict=True)
    ]
    pairwise = (*paper.TABLE2_PAIRWISE, paper.TABLE2_PAIRWISE_SUM)
    lines.append(["All domains", *(f"{value:.2f}" for value in pairwise)])
    table = _matrix([*paper.SOURCES, "Sum"], lines)
    return [*parts, f"The paper's, for the real datasets:\n\n{table}"]


def triple_tables(results: Results) -> list[str]:
    """Table 4: how many triples there are, and some of them."""
    found = [record for record in results.get("with", ()) if "triples" in record]
    if not found:
        return []
    keys = ("triples", "other_nearer_without", "other_nearer_with", "mended", "broken")
    counts = [
        [f"seed {record['seed']}", *(str(record["triple_counts"][key]) for key in keys)]
        for record in found
    ]
    header = ["", "triples", "C nearer without", "C nearer with", "mended", "broken"]
    constructed = all(record["triple_counts"]["constructed"] for record in found)
    who = (
        "C is drawn as a look-alike of A in another domain, and B is another person of A's domain."
        if constructed
        else "C is the nearest image of another domain, and B of another person of A's domain; "
        "which of them looks more like A is for the reader to see."
    )
    lines = [
        [
            " ".join(f"![{part}]({triple[part]})" for part in PICTURES),
            *(
                f"{triple[model][part]:.2f}"
                for model in ("without", "with")
                for part in ("same_domain", "other_domain")
            ),
            "mended" if triple["mended"] else "broken",
        ]
        for record in found
        for triple in record["triples"]
    ]
    columns = ["A, B, C", "cs(A,B)", "cs(A,C)", "with L_SE: cs(A,B)", "cs(A,C)", "order"]
    printed = [
        [f"triple {number}", *(f"{value:.2f}" for pair in triple for value in pair), "mended"]
        for number, triple in enumerate(paper.TABLE4, start=1)
    ]
    return [
        f"Triples A, B, C: {who} Mended: cs(A, C) is below cs(A, B) without L_SE and above it "
        "with it; broken: the reverse.",
        _matrix(header[1:], counts),
        _matrix(columns[1:], lines, columns[0]),
        "The paper's:\n\n" + _matrix(columns[1:], printed),
    ]


def _matrix(header: Sequence[str], lines: Sequence[Sequence[str]], corner: str = "") -> str:
    rows = [f"| {' | '.join([corner, *header])} |", "|---|" + "---:|" * len(header)]
    return "\n".join([*rows, *(f"| {' | '.join(line)} |" for line in lines)])
