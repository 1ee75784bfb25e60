"""Sections' parts on why: gradients of the terms, whether domains are told apart, neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..experiments.records import Record
from . import diagnosis, diagnosis_plots
from .blocks import Block, Heading, Paragraph, Picture, Pictures, Table
from .comparison import DASH, decimals, mean_std, rounded
from .diagnosis import TERMS, Measure, values
from .feature_parts import WITH_MAPS
from .results import Experiment, Row

_SPREAD = "Mean ± standard deviation over the seeds."
# Heading of a column, what is in it, and digits; None: those that Eq. 3's distances need.
_Columns = Sequence[tuple[str, Measure, int | None]]
_DOMAINS: _Columns = (
    ("discriminator", diagnosis.discriminator, 1),
    ("larger class", diagnosis.larger_class, 1),
    ("linear probe", diagnosis.probe, 1),
    ("largest source", diagnosis.probe_chance, 1),
    ("probe of the centre", diagnosis.central_probe, 1),
    ("Eq. 3 distance", diagnosis.apart, None),
    ("to itself", diagnosis.to_itself, None),
)
_NEIGHBOURS: _Columns = (
    ("look-alikes found", diagnosis.found, 1),
    ("by chance", diagnosis.found_by_chance, 1),
    ("colour difference", diagnosis.colour, 1),
    ("by chance", diagnosis.colour_by_chance, 1),
)


def gradients(experiment: Experiment) -> list[Block]:
    """How strongly each term pulls on the mapping network: a picture and a table."""
    rows = [row for row in experiment.rows.values() if _terms(row)]
    if not rows:
        return []
    fullest = max(rows, key=lambda row: len(_terms(row)))
    picture = Picture(
        diagnosis_plots.gradients(fullest),
        "svg",
        f"{experiment.name}-gradients",
        f"Gradients of the loss terms on the mapping network under {fullest.label}.",
        f"{fullest.label}. Lines: mean over the seeds; bands: their range.",
    )
    shown = [term for term in TERMS if any(term in _terms(row) for row in rows)]
    table = Table(
        ("row", *(words for term in shown for words in _heads(term))),
        [[row.label, *(cell for term in shown for cell in _cells(row, term))] for row in rows],
        "L2 norm of the weighted term's gradient on the mapping network's parameters, and in "
        f"percent of L_IDE's over the same epochs. Means over the epochs with the term. {_SPREAD}",
    )
    return [
        Heading("Gradients of the terms on the mapping network"),
        Pictures([picture]),
        table,
        *_reductions(experiment),
    ]


def domains(experiment: Experiment) -> list[Block]:
    """Whether the source can still be told from the features."""
    caption = (
        "In percent, discriminator: right on the training batches of the last epoch; larger class: "
        "what always guessing it gives. Linear probe: a classifier of the source on frozen "
        "features, on people it was not fitted on; largest source: what always naming it gives. "
        "Eq. 3 distance: mean between different sources; to itself: between two halves of one. "
        f"{_SPREAD}"
    )
    # Where distances are what the section is about, they have maps of their own.
    shown = _DOMAINS[:5] if experiment.name in WITH_MAPS else _DOMAINS
    return _table(experiment, "Can the source be told from the features?", shown, caption)


def neighbours(experiment: Experiment) -> list[Block]:
    """Whether the nearest people of other sources look alike."""
    records = [record for record in experiment.records if "neighbours" in record]
    numbers = sorted({record["neighbours"]["k"] for record in records})
    people = sorted({record["neighbours"]["identities"] for record in records})
    caption = (
        f"Of {_either(people)} people of peripheral sources who were drawn as look-alikes of "
        "people in other sources, the percentage with a look-alike among their "
        f"{_either(numbers)} nearest people of other sources "
        "(cosine similarity of mean features m). Colour difference: mean absolute difference of "
        "upper and lower garments between them and those neighbours, in grey levels of 255. By "
        f"chance: random people of other sources. {_SPREAD}"
    )
    return _table(experiment, "Are the neighbours look-alikes?", _NEIGHBOURS, caption)


def _table(experiment: Experiment, title: str, columns: _Columns, caption: str) -> list[Block]:
    rows = list(experiment.rows.values())
    kept = [column for column in columns if any(values(row, column[1]) for row in rows)]
    lines = [
        [row.label, *(_cell(row, measure, digits, rows) for _, measure, digits in kept)]
        for row in rows
        if any(values(row, measure) for _, measure, _ in kept)
    ]
    # The discriminator's accuracy alone is among the curves.
    if not {column[0] for column in kept} - {"discriminator", "larger class"}:
        return []
    return [Heading(title), Table(("row", *(column[0] for column in kept)), lines, caption)]


def _cell(row: Row, measure: Measure, digits: int | None, rows: Sequence[Row]) -> str:
    if digits is None:
        apart = [value for each in rows for value in values(each, diagnosis.apart)]
        digits = decimals(max(apart, default=0))
    return mean_std(values(row, measure), digits)


def _terms(row: Row) -> list[str]:
    return [term for term in TERMS if values(row, diagnosis.gradient(term))]


def _heads(term: str) -> tuple[str, ...]:
    first = next(iter(TERMS))
    return (TERMS[term],) if term == first else (TERMS[term], f"% of {TERMS[first]}")


def _cells(row: Row, term: str) -> list[str]:
    cells = [rounded(values(row, diagnosis.gradient(term)))]
    if len(_heads(term)) > 1:
        cells.append(rounded(values(row, diagnosis.gradient_share(term))))
    return cells


def _reductions(experiment: Experiment) -> list[Block]:
    """What the weight of L_SE is in Eq. 8's own scale, for each setting that was run."""
    found: dict[tuple[float, int, int], None] = {}
    for record in experiment.records:
        config, dim = record.get("config", {}), diagnosis.feature_dim(record)
        batch = config.get("train", {}).get("batch_size")
        settings = config.get("ddan", {})
        weight = settings.get("weight_similarity", 0)
        is_mean = settings.get("similarity_reduction", "mean") == "mean"
        if _on(record) and weight and is_mean and batch and dim:
            found[weight, batch, dim] = None
    notes: list[Block] = []
    for batch, dim in dict.fromkeys((batch, dim) for _, batch, dim in found):
        weights = sorted(weight for weight, *other in found if other == [batch, dim])
        several = len(weights) > 1
        literal = ", ".join(f"{np.format_float_positional(w / (batch * dim), 2, fractional=False)}"
                            for w in weights)  # fmt: skip
        text = (
            "L_SE is a mean over batch and dimensions. Eq. 8's literal sum is B D = "
            f"{batch} \N{MULTIPLICATION SIGN} {dim:,} = {batch * dim:,} times "
            f"as large: the weight{'s' * several} of {_listed(weights)} used here "
            f"{'are' if several else 'is'} {literal} of that sum, and {_listed(weights)} of that "
            f"sum would be {_listed([weight * batch * dim for weight in weights])} of the mean."
        )
        notes.append(Paragraph(text, quiet=True))
    return notes


def _on(record: Record) -> bool:
    curve = record.get("curves", {}).get("gradient_loss_similarity", [])
    return any(value is not None for value in curve)


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:,.6g}" for number in numbers)


def _either(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers)) or DASH
