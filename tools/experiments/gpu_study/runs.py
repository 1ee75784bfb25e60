"""The runs of the study, in the order of the queue, and the configuration of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddan_torchreid.experiments.ablation import ABLATION, ALIGNMENT, IDENTITY, PAIRWISE, Changes
from yacs.config import CfgNode

from ddan_torchreid import config as configuration
from ddan_torchreid import integration

from .pack import HEIGHT, MARKET_TRAIN, OWN_SOURCES, VALIDATION, WIDTH

SOURCES = ["market1501", "cuhk01", *OWN_SOURCES]
TARGETS = ["viper", "prid", "grid", "ilids"]
# In place of Market-1501, without its test persons.
HELD_OUT = Path(MARKET_TRAIN).stem
HOME = "home"
# What decides on the centre for all rows.
BASELINE_RUN = ("table5", "triplet", 1)

TABLE5 = {
    "identity": ("L_IDE", {**IDENTITY, "ddan.neck": "none"}),
    "triplet": ABLATION["triplet"],
    "alignment": ABLATION["alignment"],
    "similarity": ABLATION["similarity"],
    "similarity_released": (
        "L_IDE + L_Triplet + L_DA + L_SE as released",
        {"ddan.similarity_log": "released"},
    ),
}
IN_BN: Changes = {"model.name": "ddan_mobilenetv2_in_bn_x1_0"}
FIGURE3 = {
    "k-1": ("top_k", 1), "k-32": ("top_k", 32),
    "tau-0.0002": ("temperature", 2e-4), "tau-0.02": ("temperature", 2e-2),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Run:
    """A row of a table with a seed.

    Attributes:
        experiment, row, label, seed: as in a record.
        changes: to the recipe, by dotted key.
        stream: name of the batches that it trains on; those of one name are the same.
        centre: ``'central'`` for Eq. 3's choice, ``'worst'`` for the source that it would choose
            last; empty for a row without alignment to a domain.
        parameter: name and value of what a figure varies.
    """

    experiment: str
    row: str
    label: str
    seed: int
    changes: Changes
    stream: str
    centre: str = ""
    parameter: tuple[str, float] | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two runs the same one."""
        return self.experiment, self.row, self.seed


def _rows(keys: list[str], seed: int, experiment: str = "table5", in_bn: bool = False) -> list[Run]:
    runs = []
    for key in keys:
        label, changes = TABLE5[key]
        centre = "" if key in ("identity", "triplet") else "central"
        stream = HOME if experiment == HOME else f"seed{seed}"
        if in_bn:
            key, label, changes = f"in_bn_{key}", f"{label}, IN/BN", changes | IN_BN
        runs.append(Run(experiment, key, label, seed, changes, stream, centre))
    return runs


def queue() -> list[Run]:
    """All runs: first those that need no centre, then seed by seed so that pairs come early."""
    seeds, first, aligned = range(1, 6), range(1, 4), list(TABLE5)[2:]
    runs = [run for key in ("triplet", "identity") for seed in seeds for run in _rows([key], seed)]
    runs += [run for seed in first for run in _rows(["triplet"], seed, in_bn=True)]
    runs += _rows(["triplet", "identity"], 1, HOME)
    runs += [run for seed in seeds for run in _rows(aligned, seed)]
    runs += [run for seed in first for run in _rows(aligned[:2], seed, in_bn=True)]
    for seed in first:
        stream = f"seed{seed}"
        runs.append(Run("table3", "worst", "Worst centre", seed, ALIGNMENT, stream, "worst"))
        runs.append(Run("table3", "pairwise", "All domains", seed, PAIRWISE, stream))
    runs += _rows(aligned, 1, HOME)
    for seed in (1, 2):
        for key, (name, value) in FIGURE3.items():
            changes = {f"ddan.{name}": value}
            label = key.replace("-", " = ", 1)
            runs.append(
                Run("figure3", key, label, seed, changes, f"seed{seed}", "central", (name, value))
            )
    return runs


def configure(
    run: Run, root: Path, epochs: int, centres: dict[str, str], pairs: Sequence[str] = ()
) -> CfgNode:
    """The recipe of the paper in so many epochs, with the changes of a row.

    Args:
        run: the row.
        root: of the data.
        epochs: of training; the learning rate falls after two and after four fifths of them.
        centres: names of the sources by ``run.centre``.
        pairs: KEY VALUE ... for all rows; a row's own changes come after them.

    Raises:
        KeyError: the row needs a centre that is not known.
    """
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file("ddan_mobilenetv2"))
    home = run.experiment == HOME
    changes: dict[str, Any] = {
        "data.root": str(root),
        "data.sources": [HELD_OUT if home and each == "market1501" else each for each in SOURCES],
        "data.targets": [*TARGETS, *VALIDATION, *(["market1501"] if home else [])],
        "data.height": HEIGHT,
        "data.width": WIDTH,
        "data.workers": 0,
        "train.seed": run.seed,
        "train.max_epoch": epochs,
        "train.stepsize": [max(1, round(0.4 * epochs))],
        "train.print_freq": 1_000_000,
        "test.eval_freq": -1,
        "test.batch_size": 250,
        "ddan.similarity_start_epoch": 1,
        "ddan.evaluation_splits": 10,
        "ddan.legacy_metrics": True,
        "ddan.checkpoint_every_epochs": 0,
        "ddan.progress": "off",
    }
    name = centres[run.centre] if run.centre else "auto"
    changes["ddan.central_domain"] = HELD_OUT if home and name == "market1501" else name
    _change(config, changes)
    configuration.merge_options(config, pairs)
    _change(config, run.changes)
    return config


def _change(config: CfgNode, changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        if leaf not in node:
            raise ValueError(f"this version of the package has no setting {key}")
        node[leaf] = value


def register(root: Path) -> None:
    """Makes the sources and validation domains that torchreid does not know known to it."""
    names = [*OWN_SOURCES, *VALIDATION, HELD_OUT]
    integration.register_own([f"{name}={root}/own/{name}.csv" for name in names])
