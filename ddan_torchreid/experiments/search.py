"""The settings that `experiment search` tries on validation domains."""

from __future__ import annotations

from collections.abc import Sequence

from yacs.config import CfgNode

from .ablation import ABLATION, ALIGNMENT, BASELINE, DDAN, PAIRWISE, Changes, Row, in_bn_model

SGD: Changes = {
    "train.optim": "sgd", "sgd.momentum": 0.9, "sgd.nesterov": True, "train.staged_lr": False,
}  # fmt: skip
OPTIMISERS: dict[str, tuple[str, Changes]] = {
    "adam": ("Adam 0.001", {"train.optim": "adam", "train.lr": 0.001}),
    "sgd": ("SGD 0.05", SGD | {"train.lr": 0.05}),
    "sgd-slow": ("SGD 0.01", SGD | {"train.lr": 0.01}),
    "sgd-staged": (
        "SGD 0.1, backbone 0.01",
        SGD
        | {"train.lr": 0.1, "train.staged_lr": True, "train.new_layers": ["neck", "classifier"]},
    ),
}
# The larger tau is, the smaller is L_SE's gradient on the mapping network, so its weight is larger
# there.
SETTINGS_TRIED: dict[str, tuple[str, Changes]] = {
    "alignment": ("+ L_DA, weight 0.18 (paper)", ALIGNMENT),
    "alignment-1": ("+ L_DA, weight 1", ALIGNMENT | {"ddan.weight_adversarial": 1.0}),
    "alignment-5": ("+ L_DA, weight 5", ALIGNMENT | {"ddan.weight_adversarial": 5.0}),
    "alignment-20": ("+ L_DA, weight 20", ALIGNMENT | {"ddan.weight_adversarial": 20.0}),
    "alignment-central-1": (
        "+ L_DA to the central label, weight 1",
        ALIGNMENT | {"ddan.weight_adversarial": 1.0, "ddan.confusion": "central"},
    ),
    "alignment-entropy-1": (
        "+ L_DA by negative entropy, weight 1",
        ALIGNMENT | {"ddan.weight_adversarial": 1.0, "ddan.confusion": "entropy"},
    ),
    "alignment-entropy-5": (
        "+ L_DA by negative entropy, weight 5",
        ALIGNMENT | {"ddan.weight_adversarial": 5.0, "ddan.confusion": "entropy"},
    ),
    "pairwise-1": ("+ pairwise L_DA, weight 1", PAIRWISE | {"ddan.weight_adversarial": 1.0}),
    "similarity": ("+ L_DA 0.18 + L_SE, weight 0.05 (paper)", DDAN),
    "similarity-0.5": ("+ L_DA 0.18 + L_SE, weight 0.5", {"ddan.weight_similarity": 0.5}),
    "similarity-5": ("+ L_DA 0.18 + L_SE, weight 5", {"ddan.weight_similarity": 5.0}),
    "similarity-own": (
        "+ L_DA 0.18 + L_SE 0.05, own identity excluded", {"ddan.exclude_own_identity": True},
    ),
    "similarity-tau-0.02": (
        "+ L_DA 0.18 + L_SE, weight 1, tau 0.02",
        {"ddan.weight_similarity": 1.0, "ddan.temperature": 0.02},
    ),
    "similarity-tau-0.2": (
        "+ L_DA 0.18 + L_SE, weight 50, tau 0.2",
        {"ddan.weight_similarity": 50.0, "ddan.temperature": 0.2},
    ),
    "similarity-sampler": (
        "+ L_DA 0.18 + L_SE 0.05, torchreid's sampler",
        {"sampler.train_sampler": "RandomIdentitySampler"},
    ),
}  # fmt: skip

# Whether the mapping network moves far enough for L2, which trains it alone, to show: its rate
# is that of the identity head instead of a tenth of it.
FAST: Changes = {"train.new_layers": ["mapping", "neck", "classifier"]}
FAST_TRIED = ("triplet", "alignment-1", "alignment-5", "similarity-0.5")


def rows(base: CfgNode) -> list[Row]:
    """The baseline with several optimisers, and what is added to it with several settings."""
    baseline = {"triplet": (ABLATION["triplet"][0], BASELINE)}
    optimisers = {
        f"optimiser-{key}": (f"L_IDE + L_Triplet, {label}", BASELINE | changes)
        for key, (label, changes) in OPTIMISERS.items()
    }
    tried = baseline | optimisers | SETTINGS_TRIED
    fast = {
        f"fast-{key}": (f"{tried[key][0]}, fast mapping", tried[key][1] | FAST)
        for key in FAST_TRIED
    }
    tried |= fast
    model = in_bn_model(base.model.name)
    if model:
        tried |= {
            f"in_bn_{key}": (f"{label}, IN/BN", changes | {"model.name": model})
            for key, (label, changes) in (baseline | fast).items()
        }
    return [Row(key, label, changes) for key, (label, changes) in tried.items()]


def pairs(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Each setting against the baseline of the same network and rate of the mapping network."""
    wanted: list[tuple[str, str]] = []
    for prefix in ("", "fast-", "in_bn_", "in_bn_fast-"):
        own = [key for key in keys if _family(key) == prefix]
        wanted += [(f"{prefix}triplet", key) for key in own if key != f"{prefix}triplet"]
    return wanted


def _family(key: str) -> str:
    """What stands before a row's name: network and rate of the mapping."""
    in_bn = "in_bn_" * key.startswith("in_bn_")
    return in_bn + "fast-" * key.removeprefix(in_bn).startswith("fast-")
