"""The search for a recipe and a form of alignment that help on unseen photographs.

Everything is chosen on the validation domains (3DPeS, CAVIAR, SARC3D): each of their images is a
query, and the images of other cameras are its gallery. The last stages are scored on the paper's
four targets too, once, when a run ends; nothing here reads those scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .conditions import BASELINE, Changes, Row
from .photographs import BASE as PHOTOGRAPHS
from .photographs import VALIDATION
from .records import Record

TITLE = "Search: recipes and forms of alignment, on the validation domains"

BASE: Changes = PHOTOGRAPHS | {
    "data.targets": list(VALIDATION),
    "ddan.evaluation_splits": 0,
    "ddan.legacy_metrics": False,
    "ddan.central_domain": "cuhk01",  # which Eq. 3 chose on photographs, with most seeds
}
PROOF_DATA: Changes = {
    key: PHOTOGRAPHS[key]
    for key in ("data.targets", "ddan.evaluation_splits", "ddan.legacy_metrics")
}

WARM: Changes = {"ddan.warmup_steps": 200}
HEAD: Changes = {"ddan.head": "bnneck"}
SMOOTH: Changes = {"ddan.label_smoothing": 0.1}
COSINE: Changes = {"train.lr_scheduler": "cosine"}
STRIDE: Changes = {"ddan.last_stride": 1}
IN_BN: Changes = {"model.name": "ddan_mobilenetv2_in_bn_x1_0"}
MIX: Changes = {"ddan.mixstyle": 0.5}
GEM: Changes = {"ddan.pooling": "gem"}
AVERAGE: Changes = {"ddan.average": 0.998}
CAMERAS_IN_TURN: Changes = {"sampler.num_cams": 2}
LESS_DROPOUT: Changes = {"ddan.dropout": 0.0}


def rate(all_layers: float, backbone: float = 0.1) -> Changes:
    """Learning rate of the head, and its factor for the backbone."""
    return {"train.lr": all_layers, "train.base_lr_mult": backbone}


ADAM: Changes = rate(3.5e-4, 1.0) | {"train.optim": "adam"}

STRONG: Changes = BASELINE | WARM | HEAD | SMOOTH | COSINE | LESS_DROPOUT
"""What strong baselines have in common; each setting of the first stage changes one thing of it."""

SETTINGS: dict[str, Changes] = {
    "lr .05 x1": rate(0.05, 1.0),
    "average": AVERAGE,
    "mix": MIX,
    "stride": STRIDE,
    "cameras in turn": CAMERAS_IN_TURN,
    "in_bn": IN_BN,
    "gem": GEM,
    "lr .1 x.3": rate(0.1, 0.3),
    "lr .02 x1": rate(0.02, 1.0),
    "lr .01 x1": rate(0.01, 1.0),
    "lr adam": ADAM,
    "lr adam, default init": ADAM | {"ddan.head": "default init"},
    "dropout": {"ddan.dropout": 0.5},
    "no smoothing": {"ddan.label_smoothing": 0.0},
    "plain head": {"ddan.head": "published"},
}
APART = ("in_bn",)
"""Measured, but not part of the recipe: the proof has a row of its own for it."""

ENCODER: Changes = {"ddan.alignment_reaches": "encoder", "ddan.alignment_ramp": 1}
PUBLISHED: Changes = {"ddan.weight_adversarial": 0.18, "ddan.weight_similarity": 0.05}
ADVERSARY: Changes = {
    "ddan.weight_adversarial": 0.18,
    "ddan.balanced_discriminator": True,
    "ddan.discriminator_norm": "none",
}
PAIRWISE: Changes = ADVERSARY | {"ddan.alignment": "pairwise"}
CAMERAS: Changes = ADVERSARY | {"ddan.alignment": "cameras"}
# With `eq8` a weight of 0.005 is 0.32 times the mean divergence of the 64 images of a batch.
STANDARDISED: Changes = {
    "ddan.weight_similarity": 0.005,
    "ddan.similarity_reduction": "eq8",
    "ddan.standardise_similarity": True,
    "ddan.temperature": 1.0,
}
ACROSS: Changes = STANDARDISED | {"ddan.similarity_cameras": True}
MOMENTS: Changes = {"ddan.weight_camera": 1.0}

FORMS: dict[str, Changes] = {
    "none, IN/BN": IN_BN,
    "none, plain head with a small init": {"ddan.head": "small init"},
    "cameras, encoder, 1.0": CAMERAS | ENCODER | {"ddan.weight_adversarial": 1.0},
    "moments, encoder, x5": MOMENTS | ENCODER | {"ddan.weight_camera": 5.0},
    "similarity across cameras, encoder": ACROSS | ENCODER,
    "cameras, encoder, 3.0": CAMERAS | ENCODER | {"ddan.weight_adversarial": 3.0},
    "moments, encoder, x0.2": MOMENTS | ENCODER | {"ddan.weight_camera": 0.2},
    "as published": PUBLISHED,
    "S-way, encoder, 1.0": PAIRWISE | ENCODER | {"ddan.weight_adversarial": 1.0},
    "similarity, encoder": STANDARDISED | ENCODER,
    "binary, encoder": ADVERSARY | ENCODER,
    "faster discriminator": PAIRWISE | ENCODER | {"ddan.discriminator_rate": 3.0},
}
FINALISTS = 2
SEEDS = range(1, 6)

Known = Mapping[tuple[str, int], Record]


def rows(known: Known) -> list[tuple[Row, Sequence[int]]]:
    """What can be trained by now, with the seeds of each, in order.

    1. the published baseline, ``STRONG``, and each of ``SETTINGS`` on top of it, one seed;
    2. what gained, together, and the best one with each of the next two;
    3. each of ``FORMS`` on the best recipe among those that cost no more, one seed;
    4. the best two of these and the recipe without alignment, five seeds, on the targets too;
    5. with IN/BN the better one and none, and the paper's recipe with BN and with IN/BN, likewise.
    """
    found = [_row("recipe", "published", BASELINE), _row("recipe", "strong", STRONG)]
    found += [_row("recipe", name, STRONG | changes) for name, changes in SETTINGS.items()]
    if (scored := _scores(found, known)) is None:
        return found
    gains = {name: scored[f"recipe/{name}"] - scored["recipe/strong"] for name in SETTINGS}
    good = [name for name in sorted(gains, key=gains.get, reverse=True) if gains[name] > 0]
    good = [name for name in good if name not in (*APART, "lr adam, default init")]
    rates = [name for name in good if name.startswith("lr")][1:]  # one of them at the most
    good = [name for name in good if name not in rates]
    pairs = [(good[0], other) for other in (*good[1:3], "plain head")]
    together = {" + ".join(names): names for names in [good, *pairs]}
    found += [
        _row("recipe", label, _merged(STRONG, *(SETTINGS[name] for name in names)))
        for label, names in together.items()
        if len(names) > 1
    ]
    if _scores(found, known) is None:
        return found
    # Last stride 1, in all gains together, brings 2.0 points more and takes 1.65 times as long, as
    # larger images would; the others bring nothing on top.
    recipe = STRONG | SETTINGS["lr adam"]
    found += [_row("form", name, recipe | changes) for name, changes in FORMS.items()]
    chosen_already = [  # whatever the best form is
        _row("final", "none", recipe | PROOF_DATA, SEEDS),
        _row("proof", "published", PROOF_DATA, SEEDS),  # with both of its terms
        _row("proof", "none, IN/BN", recipe | IN_BN | PROOF_DATA, SEEDS),
        _row("proof", "published, IN/BN", IN_BN | PROOF_DATA, SEEDS),
    ]
    if (scored := _scores(found, known)) is None:
        return found + chosen_already
    ranked = sorted(FORMS, key=lambda name: scored[f"form/{name}"], reverse=True)
    forms = [name for name in ranked if not name.startswith("none")][:FINALISTS]
    found += [_row("final", name, recipe | FORMS[name] | PROOF_DATA, SEEDS) for name in forms]
    if (scored := _scores(found, known)) is None:
        return found + chosen_already
    best = max(forms, key=lambda name: scored[f"final/{name}"])
    last = _row("proof", f"{best}, IN/BN", recipe | FORMS[best] | IN_BN | PROOF_DATA, SEEDS)
    return [*found, *chosen_already, last]


def _row(
    stage: str, name: str, changes: Changes, seeds: Sequence[int] = (1,)
) -> tuple[Row, Sequence[int]]:
    return Row(f"{stage}/{name}", name, changes), seeds


def _merged(*parts: Changes) -> Changes:
    return {key: value for part in parts for key, value in part.items()}


def _scores(rows: Sequence[tuple[Row, Sequence[int]]], known: Known) -> dict[str, float] | None:
    """Mean mAP over the validation domains and the seeds of each row; None until all are known.

    A run that diverged counts 0.
    """
    found = {}
    for row, seeds in rows:
        records = [known.get((row.key, seed)) for seed in seeds]
        if None in records:
            return None
        found[row.key] = float(np.mean([score(record) for record in records]))
    return found


def score(record: Record) -> float:
    """Mean mAP of a run over the validation domains; 0 for one that diverged."""
    domains = record.get("validation", {}).values()
    return float(np.mean([each["mAP"] for each in domains])) if domains else 0.0
