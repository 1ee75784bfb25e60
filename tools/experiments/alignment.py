"""The search for a recipe and a form of alignment that help on unseen photographs.

Scored on the validation domains only (3DPeS, CAVIAR, SARC3D): each of their images is a query, and
the images of other cameras are its gallery. The four targets of the paper play no part here.
"""

from __future__ import annotations

from .conditions import BASELINE, Changes, Row
from .photographs import BASE as PHOTOGRAPHS
from .photographs import VALIDATION

TITLE = "Search: recipes and forms of alignment, on the validation domains"

BASE: Changes = PHOTOGRAPHS | {
    "data.targets": list(VALIDATION),
    "ddan.evaluation_splits": 0,
    "ddan.legacy_metrics": False,
    "ddan.central_domain": "cuhk01",  # which Eq. 3 chose on photographs, with most seeds
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


STRONG: Changes = BASELINE | WARM | HEAD | SMOOTH | COSINE | LESS_DROPOUT


def recipes() -> list[Row]:
    """Stage 1: training as strong baselines do it, one thing after the other."""
    found: dict[str, Changes] = {
        "published": BASELINE,
        "strong": STRONG,
        "strong lr .05 x1": STRONG | rate(0.05, 1.0),
        "strong average": STRONG | AVERAGE,
        "strong mix": STRONG | MIX,
        "strong stride": STRONG | STRIDE,
        "strong cameras": STRONG | CAMERAS_IN_TURN,
        "strong in_bn": STRONG | IN_BN,
        "strong gem": STRONG | GEM,
        "strong lr .1 x.3": STRONG | rate(0.1, 0.3),
        "strong lr .02 x1": STRONG | rate(0.02, 1.0),
        "strong dropout": STRONG | {"ddan.dropout": 0.5},
        "strong no smoothing": STRONG | {"ddan.label_smoothing": 0.0},
    }
    return [Row(key.replace(" ", "_"), key, changes) for key, changes in found.items()]


def rows() -> list[Row]:
    """All rows of the search, in the order in which they are worth training."""
    return recipes()
