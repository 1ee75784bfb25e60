"""What an experiment is asked for, and the runs it consists of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from ..config import schema as configuration
from ..config.settings import nearest
from ..integration import checks
from . import paper
from .ablation import Row
from .rows import TITLES

PRETRAIN = "pretrain"


@dataclasses.dataclass
class Options:
    """What the command line says of an experiment; see ``ddan-torchreid experiment --help``."""

    experiment: str
    root: Path
    output: Path
    seeds: int = 1
    domains: str = ""
    scale: str = "small"
    targets: str = "targets"
    rows: list[str] = dataclasses.field(default_factory=list)
    in_bn: bool = False
    protocol: str = "classic"
    initial_weights: str = ""
    pretrain_epochs: int | None = None
    average_last: int = 0
    jobs: int = 1
    allow_other_counts: bool = False
    rescore: bool = False
    pairs: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if self.experiment not in TITLES:
            raise ValueError(
                f"experiment {self.experiment!r} is unknown; {nearest(self.experiment, TITLES)}"
            )
        for name, least in (("seeds", 1), ("jobs", 1), ("average_last", 0), ("pretrain_epochs", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} {value} must be a whole number, {least} or more")
        if self.experiment == "search":
            # Nothing is chosen on the reported targets.
            self.targets = "validation"
            self.domains = self.domains or "rendered"
        if not self.domains:
            self.domains = "real" if self.experiment == "protocol" else find_domains(self.root)
        if self.domains == "real":
            if self.targets != "targets":
                flag = "search" if self.experiment == "search" else "--targets validation"
                raise ValueError(f"{flag} needs --domains rendered")
            if self.initial_weights == PRETRAIN:
                raise ValueError(
                    "--initial-weights pretrain needs --domains rendered; for real domains write "
                    "model.pretrained True, or name a file"
                )
        elif self.experiment == "protocol":
            raise ValueError("the protocols are for real datasets; write --domains real")


@dataclasses.dataclass(frozen=True)
class Job:
    """One training run. Rows with the same digest, of whatever experiment, share it.

    Attributes:
        folder: of weights, log and outcome.
        config: complete but for ``data.save_dir``.
        digest: of the configuration and all else that decides the result, without the seed.
        average_last: number of last epochs whose weights are averaged.
        drawn: rendered domains rather than real ones.
        only_weights: pretraining, whose scores nobody reads.
    """

    folder: Path
    config: CfgNode
    digest: str
    average_last: int = 0
    drawn: bool = True
    only_weights: bool = False

    @property
    def weights(self) -> Path:
        """File of the trained weights."""
        return self.folder / "weights.pth.tar"


@dataclasses.dataclass(frozen=True)
class Run:
    """A row with a seed, and the training run that it reports."""

    row: Row
    seed: int
    job: Job


@dataclasses.dataclass
class Plan:
    """All runs of an experiment, in the order of the seeds, then of the rows.

    Attributes:
        options: what was asked for.
        runs: rows with seeds.
        pretraining: by digest, what has to be trained before.
        facts: what is known of each row beforehand and goes into its records.
    """

    options: Options
    runs: list[Run]
    pretraining: dict[str, Job]
    facts: dict[str, dict[str, Any]]

    def job_of(self, key: str, seed: int) -> Job:
        """The training run of a row and a seed."""
        return next(run.job for run in self.runs if (run.row.key, run.seed) == (key, seed))


def find_domains(root: str | Path) -> str:
    """``real`` where a data root holds the paper's sources and targets, else ``rendered``."""
    config = configuration.get_default_config()
    config.data.root = str(root)
    return "rendered" if checks.missing_data(config, [*paper.SOURCES, *paper.TARGETS]) else "real"
