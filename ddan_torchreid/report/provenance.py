"""What was run: experiments, seeds, machine, versions, git state, commands, settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..experiments.ablation import short
from ..experiments.records import Record
from .blocks import Block, Commands, Heading, Paragraph, Section, Table
from .comparison import DASH
from .results import Experiment, Results

# What a reader asks first; what rows change is listed beside it, whatever it is.
SETTINGS = (
    "model.name", "model.pretrained", "data.height", "data.width", "data.combineall",
    "train.batch_size", "train.max_epoch", "train.optim", "train.lr", "train.lr_scheduler",
    "sampler.train_sampler", "ddan.central_domain", "ddan.alignment", "ddan.weight_identity",
    "ddan.weight_triplet", "ddan.weight_adversarial", "ddan.weight_similarity", "ddan.margin",
    "ddan.top_k", "ddan.temperature", "ddan.update_rate", "ddan.similarity_start_epoch",
)  # fmt: skip
_TARGETS = ("targets", "targets")  # an option that says nothing
_OF_A_RUN = ("train.seed", "data.save_dir", "data.root", "model.load_weights", "use_gpu")


def what_was_run(results: Results, titles: Mapping[str, str]) -> Section:
    """The section on it.

    Args:
        results: all of it.
        titles: printed name of each experiment.
    """
    experiments = results.experiments.values()
    blocks: list[Block] = [
        Table(
            ("experiment", "domains", "rows", "seeds", "runs", "steps a run", "hours in all"),
            [_run_line(each, titles[each.name]) for each in experiments],
            "Hours: training and scoring, summed over the runs. A run that several tables share is "
            "counted in each.",
            text_columns=2,
        ),
        *_differing_counts(experiments),
        Table(("", ""), _surroundings(results), "Machine and software.", text_columns=2),
        Heading("Commands"),
        Commands([line for each in experiments for line in commands(each)]),
    ]
    if any("pairs" not in r.get("options", {}) for each in experiments for r in each.records):
        text = "KEY VALUE pairs of records without a list of them show among the settings."
        blocks.append(Paragraph(text, quiet=True))
    if results.superseded:
        text = (
            f"{results.superseded} records of earlier runs or other configurations of these rows "
            "are left out."
        )
        blocks.append(Paragraph(text, quiet=True))
    blocks += [Heading("Settings"), _settings(experiments, titles)]
    return Section("What was run", "what-was-run", (), blocks)


def _run_line(experiment: Experiment, title: str) -> list[str]:
    records = experiment.records
    kinds = _distinct(record.get("domains", DASH) for record in records)
    sources = _distinct(short(name) for record in records for name in record.get("sources", []))
    targets = _distinct(short(name) for record in records for name in record.get("targets", []))
    steps = sorted({record["steps"] for record in records if "steps" in record})
    hours = sum(record.get("seconds", 0) for record in records) / 3600
    return [
        title,
        f"{', '.join(kinds)}: {', '.join(sources)}; targets {', '.join(targets)}",
        str(len(experiment.rows)),
        _ranges(experiment.seeds),
        str(len(records)),
        DASH.join(f"{step:,}" for step in _ends(steps)) or DASH,
        f"{hours:.1f}" if hours >= 0.1 else "< 0.1",
    ]


def _surroundings(results: Results) -> list[list[str]]:
    records = [r for experiment in results.experiments.values() for r in experiment.records]
    versions = [
        ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        for record in records
        if record.get("versions")
    ]
    finished = sorted(record["finished"] for record in records if record.get("finished"))
    lines = {
        "machine": _distinct(record["machine"] for record in records if record.get("machine")),
        "versions": _distinct(versions),
        "git": _distinct(_git(record) for record in records if "git" in record),
        "finished": [" to ".join(_ends(finished))] if finished else [],
        "scored again, from the weights": _distinct(
            _git(record["rescored"]) for record in records if "rescored" in record
        ),
    }
    return [[name, "; ".join(each)] for name, each in lines.items() if each]


def _git(record: Record) -> str:
    git = record["git"] or {}
    if not git.get("commit"):
        return "outside a checkout"
    state = "with uncommitted changes" if git.get("dirty") else "clean"
    return f"{str(git['commit'])[:12]}, {state}"


def _differing_counts(experiments: Iterable[Experiment]) -> list[Block]:
    found = _distinct(
        f"{record['label']}: other counts than the published ones. {record['counts_differ']}."
        for experiment in experiments
        for record in experiment.records
        if record.get("counts_differ")
    )
    return [Paragraph(text) for text in found]


def commands(experiment: Experiment) -> list[str]:
    """The command lines that make the records anew: one for all that were asked for alike.

    Where an experiment's rows were made by several commands, or some of its table's rows are not
    there, each names its rows.
    """
    groups: dict[str, list[Record]] = {}
    for record in experiment.records:
        asked = [*map(record.get, ("command", "domains", "protocol")), _asked(record)]
        asked.append([each["seed"] for each in experiment.rows[record["row"]].records])
        groups.setdefault(json.dumps(asked, sort_keys=True), []).append(record)
    places = {record.get("place", 0) for record in experiment.records}
    whole = len(groups) == 1 and max(places) < len(experiment.rows)
    return _distinct(_command(experiment, records, whole) for records in groups.values())


def _command(experiment: Experiment, records: list[Record], whole: bool) -> str:
    record = records[-1]
    command = record.get("command")
    if isinstance(command, str):
        return command
    if isinstance(command, list):
        return shlex.join(map(str, command))
    words = ["ddan-torchreid", "experiment", experiment.name, "--root", "DATA", "--output", "DIR"]
    words += ["--seeds", str(max(record["seed"] for record in records))]
    if record.get("domains"):
        words += ["--domains", record["domains"]]
    keys = _distinct(record["row"] for record in records)
    if not whole:
        words += ["--rows", ",".join(keys)]
    if experiment.name == "table5" and any(key.startswith("in_bn_") for key in keys):
        words.append("--in-bn")
    options = _asked(record)
    pairs = options.pop("pairs", [])
    for key, value in {"name": record.get("protocol"), **options}.items():
        if value:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return shlex.join([*words, *map(str, pairs)])


def _asked(record: Record) -> dict[str, Any]:
    """The options that are not what they are by default."""
    options = {key: value for key, value in _options(record).items() if value}
    return {key: value for key, value in options.items() if (key, value) != _TARGETS}


def _given(record: Record) -> dict[str, Any]:
    """The options that a reader asks about, zeros among them."""
    options = {
        key: value
        for key, value in _options(record).items()
        if value not in (None, "", []) and (key, value) != _TARGETS
    }
    options.pop("pairs", None)  # they are part of the command
    return options


def _options(record: Record) -> dict[str, Any]:
    """What the command line decided; of files of weights the name, as folders differ."""
    options = dict(record.get("options", {}))
    if isinstance(options.get("initial_weights"), str):
        options["initial_weights"] = Path(options["initial_weights"]).name
    return options


def _settings(experiments: Iterable[Experiment], titles: Mapping[str, str]) -> Table:
    """Each line once, with the experiments that share it."""
    lines: dict[tuple[str, str], list[str]] = {}
    for experiment in experiments:
        name = titles[experiment.name].partition(":")[0]
        for line in _setting_lines(experiment):
            lines.setdefault(line, []).append(name)
    rows = [[", ".join(names), *line] for line, names in lines.items()]
    caption = "The settings that matter most; of what the rows of an experiment change, all."
    return Table(("experiment", "row", "settings"), rows, caption, text_columns=3)


def _setting_lines(experiment: Experiment) -> list[tuple[str, str]]:
    flat = {key: _flat(row.records[-1].get("config", {})) for key, row in experiment.rows.items()}
    keys = _distinct(key for each in flat.values() for key in each if key not in _OF_A_RUN)
    varied = [key for key in keys if len({str(each.get(key, DASH)) for each in flat.values()}) > 1]
    first = next(iter(flat.values()))
    common = [key for key in SETTINGS if key in first and key not in varied]
    lines = [("all", _listed({key: first[key] for key in common}))]
    for row, each in flat.items() if varied else ():
        own = {key: each[key] for key in varied if key in each}
        lines.append((experiment.rows[row].label, _listed(own)))
    for record in experiment.records:
        if record.get("options"):
            lines.append(("options", _listed(_given(record))))
    return list(dict.fromkeys(lines))


def _listed(settings: Mapping[str, Any]) -> str:
    return "; ".join(f"{key} {_value(value)}" for key, value in settings.items()) or DASH


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return flat


def _value(value: Any) -> str:
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _ends(values: list[Any]) -> list[Any]:
    return values[:1] if len(values) < 2 or values[0] == values[-1] else [values[0], values[-1]]


def _ranges(seeds: list[int]) -> str:
    consecutive = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]}{DASH}{seeds[-1]}" if consecutive else ", ".join(map(str, seeds))
