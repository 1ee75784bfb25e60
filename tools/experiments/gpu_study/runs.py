"""The runs of the study in the order of the queue, and the configuration of each."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, NamedTuple

from ddan_torchreid.integration import registry

from .. import alignment, photographs, plan
from ..conditions import BEST_CENTRAL, WORST_CENTRAL, Changes, Row
from . import pack

BASELINE = ("triplet", 1)
"""Row and seed of the run whose features decide on the central domain of the others."""
# Table 5 comes first, then IN/BN and Table 3, and what has fewer seeds if there is time.
_BLOCKS = (None, 3, 1, 2)


class Job(NamedTuple):
    """A row of the study with a seed, before the central domain is known."""

    row: Row
    place: int
    seed: int

    @property
    def key(self) -> tuple[str, int]:
        """What makes two jobs the same one."""
        return self.row.key, self.seed

    @property
    def stream(self) -> str:
        """Name of the batches that it trains on: one for each seed and set of training images."""
        split = "" if self.row.changes.get("data.combineall", True) else "-train-splits"
        turns = "-cameras-in-turn" if self.row.changes.get("sampler.num_cams", 1) > 1 else ""
        return f"seed{self.seed}{split}{turns}"

    @property
    def needs_centre(self) -> bool:
        """Whether it aligns to a central domain."""
        changes = self.row.changes
        return changes.get("ddan.weight_adversarial") != 0 and "ddan.alignment" not in changes


def jobs() -> list[Job]:
    """All: first those that need no central domain, then seed by seed so that pairs come early."""
    found = [
        Job(row, place, seed)
        for place, row in enumerate(photographs.rows())
        for seed in range(1, (row.seeds or 5) + 1)
    ]
    return sorted(
        found,
        key=lambda job: (
            job.needs_centre or "ddan.alignment" in job.row.changes, job.key != BASELINE,
            _BLOCKS.index(job.row.seeds), job.seed, job.place,
        ),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Options:
    """What the queue was started with.

    Attributes:
        work: folder of everything that the study reads and writes.
        epochs: of each run; the learning rate falls after two fifths of them.
        steps: of an epoch at the most; for rehearsals.
        only: regular expression that ``row/seed`` of a run must match.
        workers: runs side by side.
        renderers: processes that load and augment.
        pairs: changes to the recipe of all runs, KEY VALUE KEY VALUE.
    """

    work: Path
    epochs: int
    steps: int
    only: str
    workers: int
    renderers: int
    pairs: list[str]
    study: str = "photographs"
    seeds: int = 1
    first_seed: int = 1

    @property
    def results(self) -> Path:
        """Folder of ``results.jsonl`` and of the runs."""
        return self.work / "results"

    def jobs(self) -> list[Job]:
        """The chosen ones of :func:`jobs`."""
        found = jobs()
        if self.study == "alignment":
            found = [Job(row, place, seed) for seed in range(self.first_seed, self.first_seed + self.seeds) for place, row in enumerate(alignment.rows())]
        return [job for job in found if re.search(self.only, "/".join(map(str, job.key)))]

    def stream(self, job: Job) -> Path:
        """Folder of the batches of a job."""
        return self.work / "streams" / job.stream

    def register(self) -> None:
        """Makes the sources and validation domains that torchreid does not know known to it."""
        registry.register_own(photographs.datasets(self.work / "data", photographs.VALIDATION))

    def run(self, job: Job, distances: dict[str, Any] | None = None) -> plan.Run:
        """A job as a run of the study.

        Args:
            job: row and seed.
            distances: of the baseline's record; without them the central domain stays open.
        """
        root = self.work / "data"
        base = alignment.BASE if self.study == "alignment" else photographs.BASE
        changes: Changes = base | {
            "train.seed": job.seed,
            "train.max_epoch": self.epochs,
            "train.stepsize": [max(1, round(0.4 * self.epochs))],
            "train.print_freq": 1_000_000,
            "test.batch_size": 250,
            # What a run of an hour needs, and one of a minute waits for.
            "ddan.checkpoint_every_epochs": 0,
            "ddan.checkpoint_every_minutes": 0.0,
            "ddan.log_gradients": 0,
            "ddan.progress": "off",
        }
        options = plan.Options("photographs", root, self.results, pairs=self.pairs)
        config = plan.base_config(options, changes)
        plan.change(config, job.row.changes)
        which = config.ddan.central_domain
        if which in (BEST_CENTRAL, WORST_CENTRAL):
            known = plan.central_source(distances, which) if distances and job.needs_centre else ""
            config.ddan.central_domain = known or BEST_CENTRAL
        images = {"images_per_person": pack.IMAGES_PER_PERSON, "quality": pack.QUALITY}
        code = plan.digest(config, **images, steps=self.steps)
        folder = self.results / "runs" / f"{code}-seed{job.seed}"
        own = photographs.datasets(root, photographs.VALIDATION)
        return plan.Run(job.row, job.place, job.seed, config, code, folder, own)
