"""What a study was started with, and where its files are."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from yacs.config import CfgNode

from .runs import Run, configure, queue


@dataclasses.dataclass(frozen=True)
class Options:
    """Command line of the queue, which its workers read too.

    Attributes:
        work: folder of everything that the study writes.
        epochs: of each run.
        steps: of an epoch at the most; for rehearsals.
        only: regular expression that ``row/seed`` of a run must match.
        workers: runs side by side.
        renderers: processes that augment.
        seconds: after which a run must have ended to be worth starting.
        pairs: changes to the recipe of all runs, KEY VALUE KEY VALUE.
    """

    work: Path
    epochs: int
    steps: int
    only: str
    workers: int
    renderers: int
    seconds: float
    pairs: list[str]

    @property
    def data(self) -> Path:
        """Data root."""
        return self.work / "data"

    @property
    def results(self) -> Path:
        """Folder of ``results.jsonl``."""
        return self.work / "results"

    def runs(self) -> list[Run]:
        """The runs of the queue, in its order."""
        return [run for run in queue() if re.search(self.only, "/".join(map(str, run.key)))]

    def config(self, run: Run, centres: dict[str, str]) -> CfgNode:
        """Configuration of a run; see :func:`.runs.configure`."""
        return configure(run, self.data, self.epochs, centres, self.pairs)

    def write(self) -> None:
        """Leaves them for the workers."""
        content = dataclasses.asdict(self) | {"work": str(self.work)}
        (self.work / "options.json").write_text(json.dumps(content), encoding="utf-8")


def read(work: Path) -> Options:
    """What `Options.write` left."""
    content = json.loads((work / "options.json").read_text(encoding="utf-8"))
    return Options(**content | {"work": work})
