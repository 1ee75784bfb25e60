"""The studies that the queue carries out: what can be trained, given what has been recorded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ddan_torchreid.integration import registry

from .. import alignment, photographs, plan
from ..conditions import BEST_CENTRAL, WORST_CENTRAL, Changes, Row
from ..records import Record
from . import pack

Key = tuple[str, int]
Known = Mapping[Key, Record]
"""Records by row and seed."""

BASELINE: Key = ("triplet", 1)
"""Row and seed of the run whose features decide on the central domain of the others."""
# Table 5 comes first, then IN/BN and Table 3, and what has fewer seeds if there is time.
_BLOCKS = (None, 3, 1, 2)


class Job(NamedTuple):
    """A row of a study with a seed."""

    row: Row
    place: int
    seed: int

    @property
    def key(self) -> Key:
        """What makes two jobs the same one."""
        return self.row.key, self.seed

    @property
    def stream(self) -> str:
        """Name of the batches that it trains on: one for each seed and way to draw them."""
        changes = self.row.changes
        split = "" if changes.get("data.combineall", True) else "-train-splits"
        turns = "-cameras-in-turn" if changes.get("sampler.num_cams", 1) > 1 else ""
        return f"seed{self.seed}{split}{turns}"


def photographs_jobs(known: Known) -> list[Job]:
    """The 53 runs of the paper's tables; before the baseline is known, those that need no centre.

    Seed by seed, so that pairs come early.
    """
    found = []
    for place, row in enumerate(photographs.rows()):
        changes = row.changes
        if changes.get("ddan.weight_adversarial") != 0 and "ddan.alignment" not in changes:
            if BASELINE not in known:
                continue
            which = changes.get("ddan.central_domain", BEST_CENTRAL)
            central = plan.central_source(known[BASELINE]["distances"], which)
            row = dataclasses.replace(row, changes=changes | {"ddan.central_domain": central})
        found += [Job(row, place, seed) for seed in range(1, (row.seeds or 5) + 1)]
    return sorted(
        found,
        key=lambda job: (
            job.row.changes.get("ddan.weight_adversarial") != 0, job.key != BASELINE,
            _BLOCKS.index(job.row.seeds), job.seed, job.place,
        ),
    )  # fmt: skip


def alignment_jobs(known: Known) -> list[Job]:
    """The search on validation domains, stage by stage, and the proof on the targets.

    Seed by seed, so that pairs come early.
    """
    found = [
        Job(row, place, seed)
        for place, (row, seeds) in enumerate(alignment.rows(known))
        for seed in seeds
    ]
    return sorted(found, key=lambda job: job.seed)


STUDIES = {
    "photographs": (photographs_jobs, photographs.BASE),
    "alignment": (alignment_jobs, alignment.BASE),
}


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
        study: a key of ``STUDIES``.
    """

    work: Path
    epochs: int
    steps: int
    only: str
    workers: int
    renderers: int
    pairs: list[str]
    study: str = "photographs"

    @property
    def results(self) -> Path:
        """Folder of ``results.jsonl`` and of the runs."""
        return self.work / "results"

    def jobs(self, known: Known) -> list[Job]:
        """The chosen ones of those that can be trained by now, recorded ones included."""
        found = STUDIES[self.study][0](known)
        return [job for job in found if re.search(self.only, "/".join(map(str, job.key)))]

    def stream(self, job: Job) -> Path:
        """Folder of the batches of a job."""
        return self.work / "streams" / job.stream

    def register(self) -> None:
        """Makes the sources and validation domains that torchreid does not know known to it."""
        registry.register_own(photographs.datasets(self.work / "data", photographs.VALIDATION))

    def run(self, job: Job) -> plan.Run:
        """A job as a run of the study."""
        root = self.work / "data"
        changes: Changes = STUDIES[self.study][1] | {
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
        if config.ddan.central_domain in (BEST_CENTRAL, WORST_CENTRAL):
            config.ddan.central_domain = BEST_CENTRAL  # of a row that has none
        images: dict[str, Any] = {
            "images_per_person": pack.IMAGES_PER_PERSON, "quality": pack.QUALITY
        }  # fmt: skip
        code = plan.digest(config, **images, steps=self.steps)
        folder = self.results / "runs" / f"{code}-seed{job.seed}"
        own = photographs.datasets(root, photographs.VALIDATION)
        return plan.Run(job.row, job.place, job.seed, config, code, folder, own)
