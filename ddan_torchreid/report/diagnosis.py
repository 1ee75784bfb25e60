"""What a record says of why its scores are what they are: one number for each question."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from ..experiments.records import Record
from .results import Row

#: Gradients of weighted terms on the mapping network, in the records' curves -> the term.
TERMS = {
    "gradient_loss_id": "L_IDE",
    "gradient_loss_triplet": "L_Triplet",
    "gradient_loss_confusion": "L_DA",
    "gradient_loss_similarity": "L_SE",
}
_IDENTITY = "gradient_loss_id"

Measure = Callable[[Record], float | None]


def per_seed(row: Row, measure: Measure) -> dict[int, float]:
    """A measure's value for each seed whose record has it."""
    values = {record["seed"]: measure(record) for record in row.records}
    return {seed: value for seed, value in values.items() if value is not None}


def values(row: Row, measure: Measure) -> list[float]:
    """The same without the seeds."""
    return list(per_seed(row, measure).values())


def gradient(term: str) -> Measure:
    """Mean over the epochs in which a term was on of its gradient's norm."""

    def measure(record: Record) -> float | None:
        found = [value for value in _curve(record, term) if value is not None]
        return float(np.mean(found)) if found else None

    return measure


def gradient_share(term: str) -> Measure:
    """The same in percent of L_IDE's over the same epochs."""

    def measure(record: Record) -> float | None:
        both = [
            (own, identity)
            for own, identity in zip(_curve(record, term), _curve(record, _IDENTITY), strict=False)
            if own is not None and identity is not None
        ]
        own, identity = np.mean(both, axis=0) if both else (0.0, 0.0)
        return float(100 * own / identity) if identity > 0 else None

    return measure


def identity_accuracy(record: Record) -> float | None:
    """Accuracy of the identity head in the last epoch, on augmented training images, in percent."""
    return next(iter(_curve(record, "acc")[-1:]), None)


def discriminator(record: Record) -> float | None:
    """Accuracy of the domain discriminator in the last epoch, in percent: balanced where known."""
    curve = _curve(record, "balanced_acc_domain") or _curve(record, "acc_domain")
    return next(iter(curve[-1:]), None)


def larger_class(record: Record) -> float | None:
    """What always guessing the discriminator's larger class gives there, in percent."""
    if discriminator(record) is None:
        return None
    settings = record.get("config", {}).get("ddan", {})
    if _curve(record, "balanced_acc_domain"):
        return 100 / (len(record["sources"]) if settings.get("alignment") == "pairwise" else 2)
    prefix = "share_"
    last = {
        key.removeprefix(prefix): values[-1]
        for key, values in record.get("curves", {}).items()
        if key.startswith(prefix) and values and values[-1] is not None
    }
    if settings.get("alignment") == "pairwise":
        return 100 * max(last.values()) if last else None
    share = last.get(settings.get("central_domain"))
    if settings.get("alignment") != "central" or share is None:
        return None
    return 100 * max(share, 1 - share)


def probe(record: Record) -> float | None:
    """Accuracy of a linear classifier of the source on people it was not fitted on, in percent."""
    return _entry(record, "domain_probe", "accuracy", 100)


def probe_chance(record: Record) -> float | None:
    """What always naming the largest source gives, in percent."""
    return _entry(record, "domain_probe", "chance", 100)


def central_probe(record: Record) -> float | None:
    """Balanced accuracy of a linear classifier of the centre against the rest, in percent."""
    return _entry(record, "central_probe", "balanced", 100)


def apart(record: Record) -> float | None:
    """Mean Eq. 3 distance between two different sources."""
    matrix = np.array(record.get("distances", {}).get("matrix", []))
    return float(matrix[np.triu_indices(len(matrix), 1)].mean()) if len(matrix) > 1 else None


def to_itself(record: Record) -> float | None:
    """Mean Eq. 3 distance between two halves of a source."""
    own = record.get("distances", {}).get("self", [])
    return float(np.mean(own)) if own else None


def found(record: Record) -> float | None:
    """Percent of the people with a drawn look-alike who have one among their neighbours."""
    return _entry(record, "neighbours", "found", 100)


def found_by_chance(record: Record) -> float | None:
    """The same with random neighbours."""
    return _entry(record, "neighbours", "chance", 100)


def colour(record: Record) -> float | None:
    """Mean difference of garment colours to the neighbours, in grey levels."""
    return _entry(record, "neighbours", "colour", 1)


def colour_by_chance(record: Record) -> float | None:
    """The same to random people of other sources."""
    return _entry(record, "neighbours", "colour_chance", 1)


def feature_dim(record: Record) -> int | None:
    """Numbers of a feature m; None for a network whose width its name does not tell."""
    name = str(record.get("config", {}).get("model", {}).get("name", ""))
    width = re.fullmatch(r"ddan_mobilenetv2_(?:in_bn_)?x(\d+)_(\d+)", name)
    if not width:
        return None
    return 1792 if width.groups() == ("1", "4") else 1280


def _curve(record: Record, key: str) -> Sequence[float | None]:
    return record.get("curves", {}).get(key, [])


def _entry(record: Record, name: str, key: str, factor: float) -> float | None:
    value = record.get(name, {}).get(key)
    return None if value is None else factor * value
