"""Sections' parts on power: how small a difference the recorded seeds can show."""

from __future__ import annotations

from pathlib import Path

from ..experiments.statistics import EFFECT, MOST_SEEDS, Power, power, spread_range
from .blocks import Block, Heading, Paragraph, Table
from .comparison import DASH, comparisons, title
from .results import Experiment


def powers(experiment: Experiment) -> list[Block]:
    """A line for each comparison of mean rank-1 that has two seeds or more."""
    lines, counts = [], set()
    for each in comparisons(experiment, "rank-1"):
        found = power(each.cells)
        if found is None:
            continue
        counts.add(found.seeds)
        own = each.before.mean_per_seed("rank-1")
        lines.append(
            [
                title(each),
                str(found.seeds),
                f"{own.std(ddof=1):.2f}" if len(own) > 1 else DASH,
                f"{found.spread:.2f}",
                f"{found.smallest:.2f}",
                _needed(found),
            ]
        )
    if not lines:
        return []
    columns = (
        "difference", "seeds", "sd of the first row", "sd of the difference",
        "smallest shown", f"seeds for {EFFECT:g} points",
    )  # fmt: skip
    caption = (
        "Percentage points of mean rank-1. Sd: standard deviation over the seeds, of the row that "
        "the other is compared with by itself, and of the paired difference. Smallest shown: the "
        "true difference that a two-sided paired t test at 5 % over these seeds finds with 80 % "
        f"power. Seeds for {EFFECT:g} points: the fewest that find such a difference as often. The "
        "test takes the targets as they are; the intervals above draw them too."
    )
    low, high = spread_range(min(counts))
    uncertain = (
        f"A standard deviation from {min(counts)} seeds is itself uncertain: the true one lies "
        f"between {low:.2g} and {high:.2g} times it (95 %), and the two columns after it with it."
    )
    blocks: list[Block] = [Heading("Power"), Table(columns, lines, caption)]
    return [*blocks, Paragraph(uncertain, quiet=True), *_common_start(experiment)]


def _needed(found: Power) -> str:
    return f"> {MOST_SEEDS}" if found.needed is None else str(found.needed)


def _common_start(experiment: Experiment) -> list[Block]:
    starts = {
        Path(str(record["options"]["initial_weights"])).name
        for record in experiment.records
        if record.get("options", {}).get("initial_weights")
    }
    if not starts:
        return []
    text = (
        f"All seeds start from the same initial weights ({', '.join(sorted(starts))}), so the "
        "spread over pretrainings is in none of these numbers."
    )
    return [Paragraph(text, quiet=True)]
