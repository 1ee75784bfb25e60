"""The runs of the study, in the order of the queue, and the configuration of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from ddan_torchreid.config import schema
from ddan_torchreid.integration import registry

from .. import photographs
from ..conditions import WORST_CENTRAL, Changes, Row
from ..plan import PAPER, change
from .pack import HEIGHT, MARKET_TRAIN, OWN_SOURCES, VALIDATION, WIDTH

SOURCES, TARGETS = photographs.BASE["data.sources"], photographs.BASE["data.targets"]
# In place of Market-1501, without its test persons.
HELD_OUT = Path(MARKET_TRAIN).stem
# What decides on the central domain for all rows.
BASELINE_RUN = ("triplet", 1)
# Table 5 comes first, then IN/BN and Table 3, and what has fewer seeds if there is time.
BLOCKS = (None, 3, 1, 2)


@dataclasses.dataclass(frozen=True)
class Run:
    """A row of the study on photographs with a seed.

    Attributes:
        row: of the study.
        place: of the row in the study.
        seed: of the run.
    """

    row: Row
    place: int
    seed: int

    @property
    def key(self) -> tuple[str, int]:
        """What makes two runs the same one."""
        return self.row.key, self.seed

    @property
    def held_out(self) -> bool:
        """Whether Market-1501's test persons are not trained on, but scored."""
        return self.row.key.startswith("held_out_")

    @property
    def stream(self) -> str:
        """Name of the batches that it trains on; those of one name are the same."""
        return "held_out" if self.held_out else f"seed{self.seed}"

    @property
    def centre(self) -> str:
        """``'central'`` for Eq. 3's choice, ``'worst'`` for the source that it would choose last;
        empty for a row without alignment to a domain."""
        changes = self.row.changes
        if changes.get("ddan.weight_adversarial") == 0 or "ddan.alignment" in changes:
            return ""
        return "worst" if WORST_CENTRAL in changes.values() else "central"


def queue() -> list[Run]:
    """All runs: first those that need no central domain, then seed by seed so that pairs come
    early."""
    runs = [
        Run(row, place, seed)
        for place, row in enumerate(photographs.rows())
        for seed in range(1, (row.seeds or 5) + 1)
    ]
    return sorted(
        runs,
        key=lambda run: (
            run.centre != "" or "ddan.alignment" in run.row.changes,
            run.key != BASELINE_RUN,
            BLOCKS.index(run.row.seeds),
            run.seed,
            run.place,
        ),
    )


def configure(
    run: Run, root: Path, epochs: int, centres: dict[str, str], pairs: Sequence[str] = ()
) -> CfgNode:
    """The recipe of the paper in so many epochs, with the changes of a row.

    Args:
        run: the row.
        root: of the data.
        epochs: of training; the learning rate falls after two fifths of them.
        centres: names of the sources by ``run.centre``.
        pairs: KEY VALUE ... for all rows; a row's own changes come after them.

    Raises:
        KeyError: the row needs a central domain that is not known.
    """
    config = schema.get_default_config()
    schema.merge_file(config, schema.find_file(PAPER))
    sources = [HELD_OUT if run.held_out and each == "market1501" else each for each in SOURCES]
    changes: Changes = photographs.BASE | {
        "data.root": str(root),
        "data.sources": sources,
        "data.targets": [*TARGETS, *VALIDATION, *(["market1501"] if run.held_out else [])],
        "data.height": HEIGHT,
        "data.width": WIDTH,
        "train.seed": run.seed,
        "train.max_epoch": epochs,
        "train.stepsize": [max(1, round(0.4 * epochs))],
        "train.print_freq": 1_000_000,
        "test.batch_size": 250,
        "ddan.checkpoint_every_epochs": 0,
        "ddan.checkpoint_every_minutes": 0.0,
        "ddan.progress": "off",
    }
    change(config, changes)
    schema.merge_options(config, pairs)
    # Who is left out is a matter of the sources here: all images of the others are trained on.
    change(config, {**run.row.changes, "data.combineall": True})
    name = centres[run.centre] if run.centre else "auto"
    config.ddan.central_domain = HELD_OUT if run.held_out and name == "market1501" else name
    return config


def register(root: Path) -> None:
    """Makes the sources and validation domains that torchreid does not know known to it."""
    names = [*OWN_SOURCES, *VALIDATION, HELD_OUT]
    registry.register_own([f"{name}={root}/own/{name}.csv" for name in names])
