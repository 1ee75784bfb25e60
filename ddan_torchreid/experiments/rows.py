"""The rows of every table and figure: what each changes in the configuration."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from yacs.config import CfgNode

Changes = dict[str, Any]

IDENTITY: Changes = {
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

K_VALUES = (0, 1, 2, 4, 8, 16, 32)
TAU_VALUES = (2e-5, 2e-4, 2e-3, 2e-2, 2e-1, 2.0)

SGD: Changes = {
    "train.optim": "sgd", "sgd.momentum": 0.9, "sgd.nesterov": True, "train.staged_lr": False,
}  # fmt: skip
# For `search`, which has nothing to do with the paper's tables.
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
# At tau = 0.02 and 0.2, L_SE's gradient on the mapping network is about 1/20 and 1/1000 of what it
# is at 0.002, so its weight is larger there.
SETTINGS_TRIED: dict[str, tuple[str, Changes]] = {
    "alignment": ("+ L_DA, weight 0.18 (paper)", ALIGNMENT),
    "alignment-1": ("+ L_DA, weight 1", ALIGNMENT | {"ddan.weight_adversarial": 1.0}),
    "alignment-5": ("+ L_DA, weight 5", ALIGNMENT | {"ddan.weight_adversarial": 5.0}),
    "alignment-20": ("+ L_DA, weight 20", ALIGNMENT | {"ddan.weight_adversarial": 20.0}),
    "alignment-central-1": (
        "+ L_DA to the central label, weight 1",
        ALIGNMENT | {"ddan.weight_adversarial": 1.0, "ddan.confusion": "central"},
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

TITLES = {
    "table1": "Table 1: baseline and DDAN, with BN and with IN/BN",
    "table2": "Table 2: Wasserstein distances between the sources",
    "table3": "Table 3: each source as the central domain",
    "table4": "Table 4: similarities with and without L_SE",
    "table5": "Table 5: the loss terms, one after the other",
    "figure2": "Figure 2: features of the sources under the four models",
    "figure3": "Figure 3: k and tau of L_SE",
    "search": "Settings tried on validation domains",
    "protocol": "Benchmark protocols",
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


def rows(experiment: str, base: CfgNode, fewest_identities: int, in_bn: bool = False) -> list[Row]:
    """The rows of an experiment other than ``protocol``.

    Args:
        experiment: a key of ``TITLES``.
        base: the configuration that the rows change.
        fewest_identities: of a source; Figure 3 leaves out what k exceeds it.
        in_bn: Table 5 with its four rows with IN/BN too.
    """
    if experiment == "table1":
        plain = [Row("baseline", "Baseline", BASELINE), Row("ddan", "DDAN", DDAN)]
        model = in_bn_model(base.model.name)
        if not model:
            print(f"{base.model.name} has no IN/BN variant, so Table 1 has no IN/BN rows")
            return plain
        change = {"model.name": model}
        return [
            *plain,
            Row("in_bn_baseline", "IN/BN baseline", BASELINE | change),
            Row("in_bn_ddan", "DDAN + IN/BN", DDAN | change),
        ]
    if experiment == "table2":
        return [
            Row("baseline", "Baseline", BASELINE),
            Row("pairwise", "All domains", PAIRWISE, needs="baseline"),
        ]
    if experiment == "table3":
        centres = [
            Row(name, short(name), ALIGNMENT | {"ddan.central_domain": name})
            for name in base.data.sources
        ]
        return [*centres, Row("pairwise", "All domains", PAIRWISE)]
    if experiment == "table4":
        return [
            Row("without", "without L_SE", ALIGNMENT),
            Row("with", "with L_SE", DDAN, needs="without"),
        ]
    if experiment == "figure3":
        return _sweep(base, fewest_identities)
    if experiment == "search":
        return _search(base)
    plain = [Row(key, label, changes) for key, (label, changes) in ABLATION.items()]
    if experiment != "table5" or not in_bn:
        return plain
    model = in_bn_model(base.model.name)
    if not model:
        raise ValueError(
            f"--in-bn: {base.model.name} has no IN/BN variant; use a ddan_mobilenetv2 model"
        )
    change = {"model.name": model}
    return plain + [
        Row(f"in_bn_{row.key}", f"{row.label}, IN/BN", row.changes | change) for row in plain
    ]


def _search(base: CfgNode) -> list[Row]:
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


def _sweep(base: CfgNode, fewest_identities: int) -> list[Row]:
    rows = []
    for k in K_VALUES:
        if k > fewest_identities:
            print(f"k = {k} is left out: a source has only {fewest_identities} identities")
            continue
        changes = {"ddan.top_k": k} if k else ALIGNMENT
        rows.append(Row(f"k-{k}", f"k = {k}", changes, ("top_k", k)))
    for tau in TAU_VALUES:
        changes = {"ddan.temperature": tau}
        rows.append(Row(f"tau-{tau:g}", f"tau = {tau:g}", changes, ("temperature", tau)))
    return rows


def pairs(experiment: str, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of rows (a, b) whose paired difference b - a a table reports.

    Args:
        experiment: a key of ``TITLES``.
        keys: the rows that there are, in order.
    """
    wanted: list[tuple[str, str]] = []
    if experiment in ("table5", "figure2"):
        for prefix in ("", "in_bn_"):
            steps = [prefix + key for key in ABLATION]
            wanted += [*itertools.pairwise(steps), (steps[0], steps[-1])]
    elif experiment == "table1":
        wanted = [("baseline", "ddan"), ("in_bn_baseline", "in_bn_ddan"), ("ddan", "in_bn_ddan")]
    elif experiment == "table3":
        wanted = [("pairwise", key) for key in keys if key != "pairwise"]
    elif experiment == "table4":
        wanted = [("without", "with")]
    elif experiment == "figure3":
        wanted = [("k-0", key) for key in keys if key != "k-0"]
    elif experiment == "search":
        for prefix in ("", "fast-", "in_bn_", "in_bn_fast-"):
            own = [key for key in keys if _family(key) == prefix]
            wanted += [(f"{prefix}triplet", key) for key in own if key != f"{prefix}triplet"]
    elif experiment == "protocol":
        wanted = [(key, key.replace("-baseline", "-ddan")) for key in keys if "-baseline" in key]
    return [pair for pair in wanted if set(pair) <= set(keys)]


def _family(key: str) -> str:
    """What stands before the name of a row of `search`: network and rate of the mapping."""
    in_bn = "in_bn_" * key.startswith("in_bn_")
    return in_bn + "fast-" * key.removeprefix(in_bn).startswith("fast-")


def in_bn_model(name: str) -> str:
    """The IN/BN model that belongs to a BN one; empty where there is none."""
    bn, in_bn = "ddan_mobilenetv2_x", "ddan_mobilenetv2_in_bn_x"
    return name.replace(bn, in_bn) if name.startswith(bn) else ""


def short(name: str) -> str:
    """A domain's name as tables print it."""
    return name.removeprefix("rendered_")
