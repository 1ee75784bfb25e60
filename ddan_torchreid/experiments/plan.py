"""From the command line's options to the list of runs, each with its configuration and digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from ..config import schema as configuration
from ..config.settings import nearest
from ..data import rendered
from ..integration import builder, checks
from . import benchmarks
from .ablation import IDENTITY, Changes, Row
from .rows import rows
from .runs import PRETRAIN, Job, Options, Plan, Run
from .scales import SCALES, draw

LOG_GRADIENTS = 10
"""Steps from one look at the terms' gradients to the next."""

FROM_SCRATCH: Changes = {
    "train.seed": 1, "train.optim": "sgd", "train.lr": 0.1, "train.lr_scheduler": "cosine",
    "sgd.momentum": 0.9, "sgd.nesterov": True, "sampler.train_sampler": "RandomSampler",
    "data.transforms": ["random_flip", "random_crop"],
}  # fmt: skip
"""The recipe of pretraining. From scratch, batches of few identities and a triplet loss learn
almost nothing in as many steps, and an image seldom looks as it was drawn."""

# What does not change the result, or is told apart otherwise.
_NOT_IN_DIGEST = (
    "use_gpu", "model.resume", "model.load_weights", "data.root", "data.save_dir", "data.workers",
    "train.print_freq", "train.seed", "train.start_epoch", "test.batch_size", "ddan.progress",
    "ddan.checkpoint_every_epochs", "ddan.checkpoint_every_minutes", "ddan.keep_checkpoints",
    "ddan.pool_sharding", "ddan.log_gradients",
)  # fmt: skip


def make(options: Options) -> Plan:
    """Draws the domains or counts the images, and lists the runs.

    Raises:
        ValueError: options that do not fit each other, or other counts than the published ones.
        FileNotFoundError: a dataset is missing.
    """
    drawn = options.domains == "rendered"
    base = _base(options, "rendered" if drawn else "ddan_mobilenetv2", options.pairs)
    fewest = _fewest_identities(options, base)
    if options.experiment == "protocol":
        chosen = benchmarks.protocol_rows(options.protocol)
    else:
        chosen = rows(options.experiment, base, fewest, options.in_bn)
    places = [row.key for row in chosen]
    chosen = _only(chosen, options.rows)
    configs = {}
    for row in chosen:
        config = _base(options, row.file, options.pairs) if row.file else base.clone()
        _change(config, row.changes)
        configs[row.key] = config
    pretraining: dict[str, Job] = {}
    runs = []
    for seed in range(1, options.seeds + 1):
        for row in chosen:
            config = configs[row.key].clone()
            config.train.seed = seed
            runs.append(Run(row, seed, _job(options, config, pretraining)))
    # What cannot work is said before minutes of drawing and counting.
    for config in configs.values():
        checks.check(config)
    facts: dict[str, dict[str, Any]] = {key: {"place": places.index(key)} for key in configs}
    if drawn:
        names = [*base.data.sources, *base.data.targets]
        if pretraining:
            names += rendered.PRETRAINING
        draw(SCALES[options.scale], names, base.data.root, options.jobs)
        drawn_counts = _drawn_counts(base)
        facts = {key: fact | {"counts": drawn_counts} for key, fact in facts.items()}
    else:
        counts: dict[str, dict[str, Any]] = {}
        for key, config in configs.items():
            data = str((config.data.sources, config.data.targets, config.data.combineall))
            if data not in counts:
                counts[data] = _count(config, options.allow_other_counts)
            facts[key] |= counts[data]
    return Plan(options, runs, pretraining, facts)


def _base(options: Options, file: str, pairs: Sequence[str]) -> CfgNode:
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file(file))
    config.data.root = str(options.root)
    config.ddan.log_gradients = LOG_GRADIENTS
    if options.domains == "rendered":
        # Each scale has its own folder: a domain is drawn once under one root.
        config.data.root = str(options.root / f"rendered-{options.scale}")
        _change(config, SCALES[options.scale].changes)
        if options.targets == "validation":
            config.data.targets = list(rendered.VALIDATION)
    configuration.merge_options(config, list(pairs))
    if config.model.load_weights or config.model.resume:
        raise ValueError(
            "model.load_weights and model.resume are set by the experiment; write "
            "--initial-weights FILE for weights that every row starts from"
        )
    return config


def _change(config: CfgNode, changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[leaf] = value


def _fewest_identities(options: Options, base: CfgNode) -> int:
    if options.domains == "rendered":
        scale = SCALES[options.scale]
        return min(scale.drawing(name)["identities"] for name in base.data.sources)
    return min(all_images[0] for _, all_images in benchmarks.TRAINING.values())


def _only(chosen: list[Row], wanted: list[str]) -> list[Row]:
    keys = [row.key for row in chosen]
    for key in wanted:
        if key not in keys:
            raise ValueError(f"--rows: there is no row {key!r}; {nearest(key, keys)}")
    needed = {row.needs for row in chosen if row.key in wanted}
    return [row for row in chosen if not wanted or row.key in wanted or row.key in needed]


def _drawn_counts(config: CfgNode) -> dict[str, Any]:
    folder = Path(config.data.root) / rendered.FOLDER
    sources = (rendered.read_domain(folder / name)[0] for name in config.data.sources)
    targets = (rendered.read_domain(folder / name)[1:] for name in config.data.targets)
    people = [[len({pid for _, pid, _ in train}), len(train)] for train in sources]
    images = [[len(query), len(gallery)] for query, gallery in targets]
    return {
        "sources": dict(zip(config.data.sources, people, strict=True)),
        "targets": dict(zip(config.data.targets, images, strict=True)),
    }


def _count(config: CfgNode, allow: bool) -> dict[str, Any]:
    manager = builder.build_datamanager(config)
    sources, targets = benchmarks.found(manager)
    facts: dict[str, Any] = {"counts": {"sources": sources, "targets": targets}}
    different = benchmarks.differences(config, manager)
    if different and not allow:
        raise ValueError(f"{different}; write --allow-other-counts to go on all the same")
    return facts | ({"counts_differ": different} if different else {})


def _job(options: Options, config: CfgNode, pretraining: dict[str, Job]) -> Job:
    drawn = options.domains == "rendered"
    decisions: dict[str, Any] = {"average_last": options.average_last}
    if drawn:
        decisions["drawing"] = SCALES[options.scale].described()
    if options.initial_weights == PRETRAIN:
        job = _pretraining(options, config)
        pretraining[job.digest] = job
        decisions["initial_weights"] = job.digest
        config.model.load_weights = str(job.weights)
        config.model.pretrained = False
    elif options.initial_weights:
        path = Path(options.initial_weights)
        if not path.is_file():
            raise FileNotFoundError(f"--initial-weights: there is no file {path}")
        decisions["initial_weights"] = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        config.model.load_weights = str(path)
        config.model.pretrained = False
    code = digest(config, decisions)
    folder = options.output / "runs" / f"{code}-seed{config.train.seed}"
    return Job(folder, config, code, options.average_last, drawn)


def _pretraining(options: Options, row: CfgNode) -> Job:
    """A classifier of other domains' people: of a row only the network and the image size count.

    So all rows of all experiments with that network share it, whatever they and the user's pairs
    change.
    """
    config = _base(options, "rendered", ())
    config.model, config.data = row.model.clone(), row.data.clone()
    _change(config, IDENTITY | FROM_SCRATCH)
    config.data.sources = list(rendered.PRETRAINING)
    # Their own other people: to see whether it has learnt, without a look at any target.
    config.data.targets = list(rendered.PRETRAINING)
    config.train.max_epoch = options.pretrain_epochs or row.train.max_epoch
    code = digest(config, {"drawing": SCALES[options.scale].described()})
    return Job(options.output / "pretraining" / code, config, code, only_weights=True)


def digest(config: CfgNode, decisions: dict[str, Any]) -> str:
    """Twelve hexadecimal digits over all that decides a result but the seed.

    Only values that are not the default count, so that a new option does not change it.
    """
    default = configuration.get_default_config()
    changed = {
        key: configuration.value_of(config, key)
        for key in configuration.known_keys(config)
        if key not in _NOT_IN_DIGEST
        and configuration.value_of(config, key) != configuration.value_of(default, key)
    }
    text = json.dumps({"config": changed, **decisions}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
