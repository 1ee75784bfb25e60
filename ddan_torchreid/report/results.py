"""The records of an output folder, grouped as the report reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..experiments import records
from ..experiments.records import Record
from . import record_checks


@dataclass(frozen=True)
class Row:
    """A row of a table: the same configuration under one seed or more.

    Attributes:
        key: stable name.
        label: printed name.
        records: one for each seed, sorted by seed.
    """

    key: str
    label: str
    records: Sequence[Record]

    @property
    def finished(self) -> list[Record]:
        """The records with scores: those whose training did not fail."""
        return [record for record in self.records if record.get("scores")]

    def targets(self) -> list[str]:
        """Targets that were scored, in the order in which the records list them."""
        listed = [name for record in self.finished for name in record["scores"]]
        return list(dict.fromkeys(listed))

    def per_seed(self, target: str, metric: str) -> NDArray[np.float64]:
        """A metric on one target, in percent, for each seed that has it."""
        scores = [record["scores"].get(target, {}).get(metric) for record in self.finished]
        return 100 * np.array([value for value in scores if value is not None], dtype=np.float64)

    def mean_per_seed(self, metric: str) -> NDArray[np.float64]:
        """A metric's mean over the targets, in percent, for each seed that has it."""
        means = []
        for record in self.finished:
            scores = [each[metric] for each in record["scores"].values() if metric in each]
            if scores:
                means.append(np.mean(scores))
        return 100 * np.array(means, dtype=np.float64)


@dataclass(frozen=True)
class Experiment:
    """The rows of a table or figure, in printed order."""

    name: str
    rows: dict[str, Row]

    @property
    def records(self) -> list[Record]:
        """Of all rows."""
        return [record for row in self.rows.values() for record in row.records]

    @property
    def targets(self) -> list[str]:
        """Targets that any row was scored on."""
        return list(dict.fromkeys(name for row in self.rows.values() for name in row.targets()))

    @property
    def seeds(self) -> list[int]:
        """Seeds that any row was trained with."""
        return sorted({record["seed"] for record in self.records})

    @property
    def drawn(self) -> bool:
        """Whether any row was trained on rendered domains."""
        return any(record.get("domains") != "real" for record in self.records)


@dataclass(frozen=True)
class Results:
    """Everything under an output folder.

    Attributes:
        folder: which paths in the records are relative to.
        experiments: by name, in the order in which they were first run.
        superseded: records that a newer run or another configuration of the same row replaced.
    """

    folder: Path
    experiments: dict[str, Experiment]
    superseded: int


def load(folder: str | Path) -> Results:
    """Reads and checks ``results.jsonl``.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it has no record, or one that is not as :mod:`..experiments.records` says.
    """
    folder = Path(folder)
    path = folder / records.FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {records.FILE}; give the --output folder of ddan-torchreid experiment"
        )
    read = records.read(folder)
    if not read:
        raise ValueError(f"{path} has no finished run yet; let ddan-torchreid experiment go on")
    for number, record in enumerate(read, start=1):
        try:
            record_checks.check(record)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    experiments = {}
    for name in dict.fromkeys(record["experiment"] for record in read):
        rows: dict[str, list[Record]] = {}
        for record in records.newest(read, name):
            rows.setdefault(record["row"], []).append(record)
        # Two runs of Table 5, with BN and with IN/BN, may have been made in turns.
        keys = sorted(rows, key=lambda key: name == "table5" and key.startswith("in_bn_"))
        experiments[name] = Experiment(
            name, {key: Row(key, rows[key][0]["label"], rows[key]) for key in keys}
        )
    used = sum(len(experiment.records) for experiment in experiments.values())
    return Results(folder, experiments, len(read) - used)
