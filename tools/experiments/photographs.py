"""The study on photographs: which term of Eq. 9 helps on the paper's own four targets.

Its data root is laid out as torchreid wants it, with two sources as CSV files below ``own``. The
rows are fewer persons, smaller images and fewer steps than the paper's: 3,500 steps at 128x64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from .conditions import (
    BASELINE,
    NO_SIMILARITY,
    PAIRWISE,
    WORST_CENTRAL,
    Changes,
    Row,
    ablation,
)

TITLE = "Photographs: the paper's tables on four of its own targets"
MODEL = "ddan_mobilenetv2_x1_0"
OWN = ("cuhk03p1", "towncentre")
"""Sources that are ``own/NAME.csv`` below the data root."""
VALIDATION = ("3dpes", "caviar", "sarc3d")
"""Domains to choose on, likewise; the study itself chooses nothing."""

BASE: Changes = {
    "data.sources": ["market1501", "cuhk01", *OWN],
    "data.targets": ["viper", "prid", "grid", "ilids"],
    "data.height": 128,
    "data.width": 64,
    "data.workers": 0,
    "train.max_epoch": 5,
    "train.stepsize": [2],  # at 40 % of the steps, as in the paper
    "ddan.central_domain": "auto",
    "ddan.similarity_start_epoch": 1,
    "ddan.evaluation_splits": 10,
    "ddan.legacy_metrics": True,
    "ddan.checkpoint_every_minutes": 5.0,
    "test.eval_freq": -1,
}

EXACT: Changes = {"ddan.similarity_log": "exact"}
RELEASED: Changes = {"ddan.similarity_log": "released"}
HELD_OUT: Changes = {"data.combineall": False}
"""Leaves Market-1501's and CUHK01's own query and gallery for scores on held-out identities."""


def datasets(root: Path, more: Sequence[str] = ()) -> list[str]:
    """The sources of one's own, and more that lie beside them, as ``NAME=PATH``."""
    return [f"{name}={root / 'own' / f'{name}.csv'}" for name in (*OWN, *more)]


def rows(model: str = MODEL) -> list[Row]:
    """53 runs with five seeds: Table 5, IN/BN, Tables 1 to 3, Figure 3 and held-out identities."""
    *first, similarity = ablation()
    table5 = [
        *first,
        dataclasses.replace(similarity, label="+ L_SE, exact", changes=EXACT),
        Row("similarity_released", "+ L_SE, released", RELEASED),
    ]
    in_bn = [
        Row("triplet", "L_IDE + L_Triplet", BASELINE, seeds=3),
        Row("alignment", "+ L_DA", NO_SIMILARITY, seeds=3),
        Row("similarity", "+ L_SE, exact", EXACT, seeds=3),
    ]
    worst = NO_SIMILARITY | {"ddan.central_domain": WORST_CENTRAL}
    figure3 = [
        *((f"k-{k}", f"k = {k}", {"ddan.top_k": k}) for k in (1, 32)),
        *((f"tau-{tau:g}", f"tau = {tau:g}", {"ddan.temperature": tau}) for tau in (2e-4, 2e-2)),
    ]
    held_out = [
        Row(f"held_out_{row.key}", row.label, row.changes | HELD_OUT, seeds=1) for row in table5
    ]
    return [
        *table5,
        *(row.with_in_bn(model) for row in in_bn),
        Row("worst_central", "+ L_DA, worst central domain", worst, seeds=3),
        Row("pairwise", "+ L_DA, pairwise", PAIRWISE, seeds=3, needs="triplet"),
        *(Row(key, label, EXACT | changes, seeds=2) for key, label, changes in figure3),
        *held_out,
    ]
