"""Benchmark protocols on the real datasets: their configurations and the published counts."""

from __future__ import annotations

from typing import Any

from yacs.config import CfgNode

from ..config.settings import nearest
from .ablation import BASELINE, DDAN, Row

LEFT_OUT = ("market1501", "msmt17", "cuhk03")
"""Targets of leave-one-out. CUHK-SYSU is always a source: all its crops show one camera."""

PROTOCOLS = {
    "classic": "five sources with train and test splits, four small targets (the paper's)",
    "no-duke": "the same without DukeMTMC-reID, which was withdrawn by its authors",
    "protocol2": "leave one of Market-1501, MSMT17 and CUHK03 out; train splits of the others",
    "protocol3": "as protocol2, with the train and test splits of the others",
}

#: (identities, images) by source, of the train split and with ``data.combineall``. CUHK03 as
#: detected, under the new protocol; MSMT17's train split without its validation images.
TRAINING = {
    "cuhk02": ((1_577, 6_308), (1_816, 7_264)),
    "cuhk03": ((767, 7_365), (1_467, 14_097)),
    "market1501": ((751, 12_936), (1_501, 29_419)),
    "dukemtmcreid": ((702, 16_522), (1_812, 36_411)),
    "cuhksysu": ((11_934, 34_574), (11_934, 34_574)),
    "msmt17": ((1_041, 30_248), (4_101, 126_441)),
}
#: (query, gallery) images by target.
TESTING = {
    "viper": (316, 316),
    "prid": (100, 649),
    "grid": (125, 900),
    "ilids": (60, 60),
    "market1501": (3_368, 15_913),
    "msmt17": (11_659, 82_161),
    "cuhk03": (1_400, 5_332),
}

Counts = dict[str, tuple[int, int]]


def protocol_rows(name: str) -> list[Row]:
    """Baseline and DDAN of a protocol, for each target that is left out.

    Raises:
        ValueError: the protocol is unknown.
    """
    files = {"classic": "ddan_mobilenetv2", "no-duke": "ddan_no_duke"}
    if name in files:
        parts = {name: files[name]}
    elif name in PROTOCOLS:
        parts = {f"{name}-{target}": f"{name}_{target}" for target in LEFT_OUT}
    else:
        raise ValueError(f"--name {name!r} is unknown; {nearest(name, PROTOCOLS)}")
    return [
        Row(f"{part}-{key}", f"{part.replace('-', ', without ')}: {label}", changes, file=file)
        for part, file in parts.items()
        for key, label, changes in (("baseline", "baseline", BASELINE), ("ddan", "DDAN", DDAN))
    ]


def expected(config: CfgNode) -> tuple[Counts, Counts]:
    """Published counts of a configuration's sources (identities, images) and targets (query,
    gallery images), for those that have any."""
    sources = {
        name: TRAINING[name][config.data.combineall]
        for name in config.data.sources
        if name in TRAINING
    }
    return sources, {name: TESTING[name] for name in config.data.targets if name in TESTING}


def found(datamanager: Any) -> tuple[Counts, Counts]:
    """What a data manager loaded, as :func:`expected` counts it."""
    train = datamanager.train_loader.dataset.train
    identities: dict[int, set[int]] = {}
    images: dict[int, int] = {}
    for item in train:
        identities.setdefault(item[3], set()).add(item[1])
        images[item[3]] = images.get(item[3], 0) + 1
    sources = {
        name: (len(identities[number]), images[number])
        for number, name in enumerate(datamanager.sources)
    }
    targets = {
        name: (len(loaders["query"].dataset), len(loaders["gallery"].dataset))
        for name, loaders in datamanager.test_loader.items()
    }
    return sources, targets


def differences(config: CfgNode, datamanager: Any) -> str:
    """One line with every count that is not the published one; empty if all are."""
    lines = [
        f"{name}: {words} {expected_one[0]} and {expected_one[1]} expected, "
        f"{found_all[name][0]} and {found_all[name][1]} found"
        for expected_all, found_all, words in zip(
            expected(config),
            found(datamanager),
            ("identities and images", "query and gallery images"),
            strict=True,
        )
        for name, expected_one in expected_all.items()
        if found_all[name] != expected_one
    ]
    return "; ".join(lines)
