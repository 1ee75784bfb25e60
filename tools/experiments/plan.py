"""From the command line's options to the list of runs, each with its configuration and digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.config.options import nearest
from ddan_torchreid.integration import checks, registry

from . import features, photographs
from .conditions import BEST_CENTRAL, EXPERIMENTS, WORST_CENTRAL, Row

PAPER = "ddan"
TITLES = {name: title for name, (title, _) in EXPERIMENTS.items()} | {
    "photographs": photographs.TITLE
}
CENTRAL = "central_domain.json"
OUTCOME = "outcome.json"
LOG_GRADIENTS = 10
"""Steps from one look at the terms' gradients to the next."""

# What does not change the result, or is distinguished otherwise.
_NOT_IN_DIGEST = (
    "use_gpu", "model.resume", "model.load_weights", "data.root", "data.save_dir", "data.workers",
    "train.print_freq", "train.seed", "train.start_epoch", "test.batch_size", "ddan.progress",
    "ddan.checkpoint_every_epochs", "ddan.checkpoint_every_minutes", "ddan.keep_checkpoints",
    "ddan.pool_sharding", "ddan.log_gradients",
)  # fmt: skip


@dataclasses.dataclass
class Options:
    """What the command line says of an experiment; see ``tools/experiment.py --help``."""

    experiment: str
    root: Path
    output: Path
    seeds: int = 5
    rows: list[str] = dataclasses.field(default_factory=list)
    jobs: int = 1
    config_file: str = PAPER
    central_domain: str = ""
    datasets: list[str] = dataclasses.field(default_factory=list)
    rescore: bool = False
    pairs: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run. Rows with the same digest, of whatever experiment, share its folder.

    Attributes:
        row: of the table.
        place: of the row in its table.
        seed: of the run.
        config: complete but for ``data.save_dir``.
        digest: of the configuration, without the seed.
        folder: of weights, log, features and outcome.
        datasets: own ones, as ``NAME=PATH``.
    """

    row: Row
    place: int
    seed: int
    config: CfgNode
    digest: str
    folder: Path
    datasets: list[str]

    @property
    def weights(self) -> Path:
        """File of the trained weights."""
        return self.folder / "weights.pth.tar"

    def outcome(self) -> dict[str, Any] | None:
        """What the finished run left; None if it has not finished."""
        try:
            return json.loads((self.folder / OUTCOME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None


def make(options: Options) -> list[Run]:
    """Lists the runs in the order of the seeds, then of the rows.

    Raises:
        ValueError: options that do not fit each other, or a configuration that cannot work.
        FileNotFoundError: a dataset or a file is missing.
    """
    if options.experiment not in TITLES:
        known = nearest(options.experiment, TITLES)
        raise ValueError(f"experiment {options.experiment!r} is unknown; {known}")
    for name in ("seeds", "jobs"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name)} must be a whole number above 0")
    on_photographs = options.experiment == "photographs"
    own = [*(photographs.datasets(options.root) if on_photographs else ()), *options.datasets]
    registry.register_own(own)
    base = base_config(options, photographs.BASE if on_photographs else {})
    if on_photographs:
        rows = photographs.rows(base.model.name)
    else:
        rows = EXPERIMENTS[options.experiment][1](base)
    places = {row.key: place for place, row in enumerate(rows)}
    central = _central_domains(base, options.output)
    runs = []
    for row in _only(rows, options.rows):
        config = base.clone()
        change(config, row.changes)
        if config.ddan.central_domain in (BEST_CENTRAL, WORST_CENTRAL):
            config.ddan.central_domain = central(config.ddan.central_domain)
        checks.check(config)
        code = digest(config)
        for seed in range(1, min(options.seeds, row.seeds or options.seeds) + 1):
            seeded = config.clone()
            seeded.train.seed = seed
            folder = options.output / "runs" / f"{code}-seed{seed}"
            runs.append(Run(row, places[row.key], seed, seeded, code, folder, own))
    return sorted(runs, key=lambda run: (run.seed, run.place))


def base_config(options: Options, changes: dict[str, Any]) -> CfgNode:
    """What the rows of an experiment change.

    Raises:
        ValueError: a pair names no key, or has a value that cannot be; it sets ``model.resume``.
    """
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file(options.config_file))
    config.data.root = str(options.root)
    config.ddan.log_gradients = LOG_GRADIENTS
    change(config, changes)
    if options.central_domain:
        config.ddan.central_domain = options.central_domain
    configuration.merge_options(config, options.pairs)
    if config.model.resume:
        raise ValueError("model.resume is set by the experiment, which resumes by itself")
    return config


def change(config: CfgNode, changes: dict[str, Any]) -> None:
    """Sets values by dotted key.

    Raises:
        KeyError: there is no such key.
    """
    for key, value in changes.items():
        configuration.put(config, key, value)


def _only(rows: list[Row], wanted: list[str]) -> list[Row]:
    keys = [row.key for row in rows]
    for key in wanted:
        if key not in keys:
            raise ValueError(f"--rows: there is no row {key!r}; {nearest(key, keys)}")
    needed = {row.needs for row in rows if row.key in wanted}
    return [row for row in rows if not wanted or row.key in wanted or row.key in needed]


def _central_domains(base: CfgNode, output: Path) -> Callable[[str], str]:
    """Chooses by Eq. 3, once for a folder, from the features of the network before training."""

    def choose(which: str) -> str:
        config = base.clone()
        config.ddan.central_domain = BEST_CENTRAL
        return central_source(_distances(config, output / CENTRAL), which)

    return choose


def central_source(distances: dict[str, Any], which: str) -> str:
    """Eq. 3's central domain, or (``WORST_CENTRAL``) the source that it would choose last.

    Args:
        distances: of a record.
        which: of the two.
    """
    if which == BEST_CENTRAL:
        return distances["central"]
    sums = [sum(row) for row in distances["matrix"]]
    return distances["names"][sums.index(max(sums))]


def _distances(config: CfgNode, file: Path) -> dict[str, Any]:
    code = digest(config)
    if file.exists():
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["digest"] == code:
            return known
    found = {"digest": code, **features.initial_distances(config)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return found


def changed_keys(config: CfgNode) -> dict[str, Any]:
    """Values by dotted key that decide a result and are not the defaults."""
    default = configuration.get_default_config()
    return {
        key: configuration.value_of(config, key)
        for key in configuration.known_keys(config)
        if key not in _NOT_IN_DIGEST
        and configuration.value_of(config, key) != configuration.value_of(default, key)
    }


def digest(config: CfgNode, **more: Any) -> str:
    """Twelve hexadecimal digits over all that decides a result but the seed.

    Only values that are not the default count, so that a new option does not change it.
    """
    parts: dict[str, Any] = {"config": changed_keys(config), **more}
    if config.model.load_weights:
        weights = Path(config.model.load_weights).read_bytes()
        parts["initial_weights"] = hashlib.sha256(weights).hexdigest()[:12]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
