"""Sections' parts on what linear traces of the source cost: scores without them."""

from __future__ import annotations

from collections.abc import Mapping

from ..experiments.records import Record
from .blocks import Block, Finding, Heading, Table
from .comparison import Comparison, between, compare, mean_std, sentence, signed, verdict
from .diagnosis import Measure, values
from .results import Experiment, Row

#: Questions of the records, and how tables and sentences say what was taken out.
TAKEN_OUT = {"sources": "which source it is", "centre": "whether it is the centre"}


def without(row: Row, question: str, metric: str) -> Comparison | None:
    """A row's scores without what answers a question, against its scores as they are."""
    records = [
        record | {"scores": record["erased"][question]["scores"]}
        for record in row.records
        if question in record.get("erased", {})
    ]
    return compare(row, Row(row.key, row.label, records), metric) if records else None


def erasures(experiment: Experiment) -> list[Block]:
    """A line for each row and each question that was taken out."""
    lines = []
    for question, words in TAKEN_OUT.items():
        for row in experiment.rows.values():
            found = {metric: without(row, question, metric) for metric in ("rank-1", "mAP")}
            rank1, mean_ap = found["rank-1"], found["mAP"]
            if rank1 is None or mean_ap is None:
                continue
            lines.append(
                [
                    words,
                    row.label,
                    _directions(row, question),
                    mean_std(values(row, _entry(question, "variance"))),
                    mean_std(values(row, _entry(question, "probe"))),
                    signed(rank1.interval.mean),
                    between(rank1.interval),
                    signed(mean_ap.interval.mean),
                    between(mean_ap.interval),
                    verdict(rank1.interval, len(rank1.cells)),
                ]
            )  # fmt: skip
    if not lines:
        return []
    columns = (
        "taken out", "row", "directions", "% of the variance", "probe",
        "rank-1", "95 % CI", "mAP", "95 % CI", "rank-1 is",
    )  # fmt: skip
    caption = (
        "The trained models' test features once more, without the directions in which the sources' "
        "mean features differ, or the centre's from the others': what an alignment of the sources' "
        "means would reach, without training. Probe: what the linear probe of the source, or of "
        "the centre (both sides counted alike), is right in afterwards, in percent; the directions "
        "are those of the people that it is fitted on. Rank-1, mAP: points that the targets gain. "
        "Mean ± standard deviation over the seeds; intervals draw seeds and targets."
    )
    title = "What would be gained without any linear trace of the source?"
    return [Heading(title), Table(columns, lines, caption, text_columns=2)]


def findings(rows: Mapping[str, Row]) -> list[Finding]:
    """What there is to gain before anything is aligned, and what L_DA leaves of it.

    Args:
        rows: of Table 5, by the last part of their key.
    """
    sentences = []
    for key, question in (("triplet", "sources"), ("triplet", "centre"), ("alignment", "sources")):
        found = without(rows[key], question, "rank-1") if key in rows else None
        if found is None:
            continue
        row = rows[key]
        count = _directions(row, question)
        probe = mean_std(values(row, _entry(question, "probe")))
        sentences.append(
            sentence(
                f"Taking out of the features under {row.label} what tells a linear classifier "
                f"{TAKEN_OUT[question]} ({count} direction{'s' * (count != '1')}; the probe is "
                f"then right in {probe} %)",
                "points of mean rank-1",
                found.interval,
                found.runs,
                len(found.cells),
            )
        )
    return sentences


def _directions(row: Row, question: str) -> str:
    counts = sorted({int(count) for count in values(row, _entry(question, "directions"))})
    return " or ".join(map(str, counts))


def _entry(question: str, key: str) -> Measure:
    factor = 1 if key == "directions" else 100

    def measure(record: Record) -> float | None:
        value = record.get("erased", {}).get(question, {}).get(key)
        return None if value is None else factor * value

    return measure
