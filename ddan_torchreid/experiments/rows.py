"""The rows of every table and figure: what each changes in the configuration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from yacs.config import CfgNode

from ..training.precision import TOO_NARROW_ON_CPU, autocast_dtype
from . import search
from .ablation import ABLATION, ALIGNMENT, BASELINE, DDAN, PAIRWISE, Row, in_bn_model, short

K_VALUES = (0, 1, 2, 4, 8, 16, 32)
TAU_VALUES = (2e-5, 2e-4, 2e-3, 2e-2, 2e-1, 2.0)

# The baseline and DDAN are what anyone would train with another sampler.
SAMPLED = {key: ABLATION[key] for key in ("triplet", "similarity")}
TORCHREID = "torchreid"

# What the other types are compared with comes first.
PRECISIONS = {"float32": "off", "bfloat16": "bf16", "float16": "fp16"}

TITLES = {
    "table1": "Table 1: baseline and DDAN, with BN and with IN/BN",
    "table2": "Table 2: Wasserstein distances between the sources",
    "table3": "Table 3: each source as the central domain",
    "table4": "Table 4: similarities with and without L_SE",
    "table5": "Table 5: the loss terms, one after the other",
    "figure2": "Figure 2: features of the sources under the four models",
    "figure3": "Figure 3: k and tau of L_SE",
    "sampler": "The multi-domain sampler against torchreid's",
    "precision": "Half precision against float32",
    "search": "Settings tried on validation domains",
    "protocol": "Benchmark protocols",
}


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
    if experiment == "sampler":
        theirs = {"sampler.train_sampler": "RandomIdentitySampler"}
        return [
            row
            for key, (label, changes) in SAMPLED.items()
            for row in (
                Row(key, label, changes),
                Row(f"{key}-{TORCHREID}", f"{label}, torchreid's sampler", changes | theirs),
            )
        ]
    if experiment == "precision":
        return _precisions(base)
    if experiment == "search":
        return search.rows(base)
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


def _precisions(base: CfgNode) -> list[Row]:
    device = torch.device("cuda" if base.use_gpu and torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and base.data.width <= TOO_NARROW_ON_CPU:
        raise ValueError(
            f"on a CPU bfloat16 needs images of more than {TOO_NARROW_ON_CPU} pixels in width; "
            "write data.height 64 data.width 32"
        )
    rows = []
    for name, amp in PRECISIONS.items():
        try:
            autocast_dtype(amp, device)
        except ValueError as error:
            print(f"{name} is left out: {str(error).partition(';')[0]}")
            continue
        rows.append(Row(name, name, {"ddan.amp": amp}))
    return rows


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
        first, *_, last = ABLATION
        wanted += [(key, f"in_bn_{key}") for key in (first, last)]
    elif experiment == "table1":
        wanted = [("baseline", "ddan"), ("in_bn_baseline", "in_bn_ddan"), ("ddan", "in_bn_ddan")]
    elif experiment == "table3":
        wanted = [("pairwise", key) for key in keys if key != "pairwise"]
    elif experiment == "table4":
        wanted = [("without", "with")]
    elif experiment == "figure3":
        wanted = [("k-0", key) for key in keys if key != "k-0"]
    elif experiment == "sampler":
        first, last = SAMPLED
        wanted = [(key, f"{key}-{TORCHREID}") for key in SAMPLED]
        wanted += [(first, last), (f"{first}-{TORCHREID}", f"{last}-{TORCHREID}")]
    elif experiment == "precision":
        first, *others = PRECISIONS
        wanted = [(first, other) for other in others]
    elif experiment == "search":
        wanted = search.pairs(keys)
    elif experiment == "protocol":
        wanted = [(key, key.replace("-baseline", "-ddan")) for key in keys if "-baseline" in key]
    return [pair for pair in wanted if set(pair) <= set(keys)]
