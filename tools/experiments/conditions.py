"""The rows of every table and figure: what each changes in the paper's configuration."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from yacs.config import CfgNode

Changes = dict[str, Any]

# Table 5 adds one term after the other; the neck comes with L_Triplet (Sec. 4.5).
NO_SIMILARITY: Changes = {"ddan.weight_similarity": 0.0}
BASELINE: Changes = {"ddan.weight_adversarial": 0.0, **NO_SIMILARITY}
IDENTITY: Changes = {"ddan.weight_triplet": 0.0, "ddan.neck": "none", **BASELINE}
PAIRWISE: Changes = {"ddan.alignment": "pairwise", **NO_SIMILARITY}
DDAN: Changes = {}
TORCHREID_SAMPLER: Changes = {"sampler.train_sampler": "RandomIdentitySampler"}

K_VALUES = (1, 2, 4, 8, 16, 32)
TAU_VALUES = (2e-5, 2e-4, 2e-3, 2e-2, 2e-1, 2.0)

LEAVE_ONE_OUT = ("market1501", "msmt17", "cuhk03")
"""Targets of protocols 2 and 3. CUHK-SYSU is always a source: all its crops show one camera."""

BEST_CENTRAL, WORST_CENTRAL = "auto", "worst"
"""The source with the smallest, and with the largest, sum of distances in Eq. 3."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a configuration that is trained with every seed.

    Attributes:
        key: stable name, in records.
        label: printed name.
        changes: values by dotted key, over the experiment's configuration.
        seeds: at most so many, where a row is not worth all that are asked for.
        needs: key of a row whose features, with the same seed, this one's are compared with.
    """

    key: str
    label: str
    changes: Changes
    seeds: int | None = None
    needs: str = ""

    def with_in_bn(self, model: str) -> Row:
        """The same row with the IN/BN variant of a model."""
        changes = self.changes | {"model.name": model.replace("_x", "_in_bn_x")}
        needs = self.needs and f"in_bn_{self.needs}"
        return Row(f"in_bn_{self.key}", f"{self.label}, IN/BN", changes, self.seeds, needs)


def ablation() -> list[Row]:
    """Table 5."""
    return [
        Row("identity", "L_IDE", IDENTITY),
        Row("triplet", "+ L_Triplet", BASELINE),
        Row("alignment", "+ L_DA", NO_SIMILARITY),
        Row("similarity", "+ L_SE", DDAN),
    ]


def _table1(base: CfgNode) -> list[Row]:
    plain = [Row("baseline", "Baseline", BASELINE), Row("ddan", "DDAN", DDAN)]
    return [*plain, *(row.with_in_bn(base.model.name) for row in plain)]


def _table2(base: CfgNode) -> list[Row]:
    return [
        Row("baseline", "Baseline", BASELINE),
        Row("pairwise", "All domains", PAIRWISE, needs="baseline"),
    ]


def _table3(base: CfgNode) -> list[Row]:
    each_source = [
        Row(name, name, NO_SIMILARITY | {"ddan.central_domain": name}) for name in base.data.sources
    ]
    return [*each_source, Row("pairwise", "All domains", PAIRWISE)]


def _table4(base: CfgNode) -> list[Row]:
    return [
        Row("without", "without L_SE", NO_SIMILARITY),
        Row("with", "with L_SE", DDAN, needs="without"),
    ]


def _figure3(base: CfgNode) -> list[Row]:
    return [
        Row("k-0", "without L_SE", NO_SIMILARITY),
        *(Row(f"k-{k}", f"k = {k}", {"ddan.top_k": k}) for k in K_VALUES),
        *(Row(f"tau-{t:g}", f"tau = {t:g}", {"ddan.temperature": t}) for t in TAU_VALUES),
    ]


def _sampler(base: CfgNode) -> list[Row]:
    ours = [Row("triplet", "Baseline", BASELINE), Row("similarity", "DDAN", DDAN)]
    theirs = [
        Row(f"{row.key}-torchreid", f"{row.label}, torchreid's sampler",
            row.changes | TORCHREID_SAMPLER)
        for row in ours
    ]  # fmt: skip
    return ours + theirs


def _precision(base: CfgNode) -> list[Row]:
    types = {"float32": "off", "bfloat16": "bf16", "float16": "fp16"}
    return [Row(name, name, {"ddan.amp": amp}) for name, amp in types.items()]


def _protocol(sources: Sequence[str], target: str, combineall: bool) -> list[Row]:
    data = {
        "data.sources": list(sources),
        "data.targets": [target],
        "data.combineall": combineall,
        "ddan.evaluation_splits": 0,
    }
    return [
        Row(f"{target}-baseline", f"{target}: baseline", BASELINE | data),
        Row(f"{target}-ddan", f"{target}: DDAN", DDAN | data),
    ]


def _leave_one_out(combineall: bool) -> list[Row]:
    everyone = ("cuhksysu", *LEAVE_ONE_OUT)
    return [
        row
        for target in LEAVE_ONE_OUT
        for row in _protocol([name for name in everyone if name != target], target, combineall)
    ]


EXPERIMENTS = {
    "table1": ("Table 1: baseline and DDAN, with BN and with IN/BN", _table1),
    "table2": ("Table 2: Wasserstein distances between the sources", _table2),
    "table3": ("Table 3: each source as the central domain", _table3),
    "table4": ("Table 4: similarities with and without L_SE", _table4),
    "table5": ("Table 5: the loss terms, one after the other", lambda base: ablation()),
    "figure2": ("Figure 2: features of the sources", lambda base: ablation()),
    "figure3": ("Figure 3: k and tau of L_SE", _figure3),
    "sampler": ("The multi-domain sampler against torchreid's", _sampler),
    "precision": ("Half precision against float32", _precision),
    "protocol2": ("Protocol 2: leave one out, train splits", lambda base: _leave_one_out(False)),
    "protocol3": ("Protocol 3: leave one out, all images", lambda base: _leave_one_out(True)),
}
"""Name on the command line -> title, and the rows over a base configuration."""


def pairs(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of rows (a, b) of one table whose paired difference b - a is worth a line.

    Args:
        keys: the rows that there are, in order.
    """
    steps = ("identity", "triplet", "alignment", "similarity")
    wanted = [*itertools.pairwise(steps), ("triplet", "similarity")]
    wanted += [("baseline", "ddan"), ("without", "with"), ("float32", "bfloat16")]
    wanted += [(f"in_bn_{a}", f"in_bn_{b}") for a, b in wanted]
    wanted += [("float32", "float16"), *((key, f"in_bn_{key}") for key in keys)]
    wanted += [(key, f"{key}-torchreid") for key in keys]
    wanted += [("triplet-torchreid", "similarity-torchreid")]
    wanted += [(f"{name}-baseline", f"{name}-ddan") for name in LEAVE_ONE_OUT]
    wanted += [("k-0", key) for key in keys if key.startswith(("k-", "tau-")) and key != "k-0"]
    if "pairwise" in keys and "baseline" not in keys:  # Table 3: a central domain a row
        wanted += [("pairwise", key) for key in keys if key != "pairwise"]
    return [pair for pair in wanted if set(pair) <= set(keys)]
