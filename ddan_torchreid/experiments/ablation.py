"""A row of a table, and the loss terms that the paper adds one after the other."""

from __future__ import annotations

import dataclasses
from typing import Any

Changes = dict[str, Any]

IDENTITY: Changes = {
    "ddan.neck": "none",  # it comes with L_Triplet (Sec. 4.5)
    "ddan.weight_triplet": 0.0,
    "ddan.weight_adversarial": 0.0,
    "ddan.weight_similarity": 0.0,
}
BASELINE: Changes = {"ddan.weight_adversarial": 0.0, "ddan.weight_similarity": 0.0}
ALIGNMENT: Changes = {"ddan.weight_similarity": 0.0}
PAIRWISE: Changes = {"ddan.alignment": "pairwise", "ddan.weight_similarity": 0.0}
DDAN: Changes = {}

ABLATION = {
    "identity": ("L_IDE", IDENTITY),
    "triplet": ("L_IDE + L_Triplet", BASELINE),
    "alignment": ("L_IDE + L_Triplet + L_DA", ALIGNMENT),
    "similarity": ("L_IDE + L_Triplet + L_DA + L_SE", DDAN),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a configuration that is trained with every seed.

    Attributes:
        key: stable name, in file names and records.
        label: printed name.
        changes: values by dotted key, over the base configuration and the user's pairs.
        parameter: name and value of what a figure varies.
        needs: key of another row whose model this one is compared with.
        file: configuration instead of the experiment's own.
    """

    key: str
    label: str
    changes: Changes
    parameter: tuple[str, float] | None = None
    needs: str = ""
    file: str = ""


def in_bn_model(name: str) -> str:
    """The IN/BN model that belongs to a BN one; empty where there is none."""
    bn, in_bn = "ddan_mobilenetv2_x", "ddan_mobilenetv2_in_bn_x"
    return name.replace(bn, in_bn) if name.startswith(bn) else ""


def short(name: str) -> str:
    """A domain's name as tables print it."""
    return name.removeprefix("rendered_")
