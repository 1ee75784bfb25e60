"""``results.jsonl``: one line for each finished run of an experiment.

A line is a JSON object with

- ``experiment``, ``row`` (stable key), ``label`` (printed name), ``place`` (of the row in its
  table, from 0), ``seed``;
- ``sources``, ``targets``, ``counts`` (identities and images of each source, query and gallery
  images of each target), ``config`` (dotted keys that differ from the defaults, without places of
  files), ``digest`` of it;
- ``versions``, ``git`` (``commit``, ``dirty``; null outside a checkout), ``machine``, ``seconds``,
  ``steps``, ``finished`` (UTC), ``run`` (folder with weights and log, relative to the file);
- ``curves``: means over each epoch of what the training step returns, ``epoch`` beside them, and
  ``pool_largest_channels``, how many channels are the largest of some identity in the ID pool at
  its end; null where a term was off in that epoch;
- ``scores``: for each target ``rank-1``, ``rank-5``, ``rank-10``, ``rank-20``, ``mAP``, ``mINP``
  as fractions, means over its splits;
- ``distances`` between the sources (Eq. 3: ``names``, ``matrix``, ``self``, ``central``).

Some lines have more: ``held_out`` (scores on identities of sources that were not trained on),
``moved`` and ``triples`` (compared with another row, see :mod:`.features`), ``failed`` (why
training stopped; then ``scores`` is empty), ``rescored`` (who scored it again, from its weights).
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import git_state, machine

FILE = "results.jsonl"
PACKAGES = ("ddan_torchreid", "torch", "torchvision", "torchreid", "numpy")

Record = dict[str, Any]


def read(folder: str | Path) -> list[Record]:
    """All records of an output folder, oldest first; none if there is no file yet.

    A last line without a line feed was being written when the machine stopped, and is left out.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines]


def append(folder: str | Path, record: Record) -> None:
    """Adds one line, and returns when it is on the disk. A torn last line is removed first."""
    path = Path(folder) / FILE
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def identity(record: Record) -> tuple[str, str, int, str]:
    """What makes two records the same run: experiment, row, seed and digest."""
    return record["experiment"], record["row"], record["seed"], record["digest"]


def made_by() -> Record:
    """Entries of a record on who trained or scored it, where and when."""
    return {
        "versions": {name: importlib.import_module(name).__version__ for name in PACKAGES}
        | {"python": platform.python_version()},
        "git": git_state(),
        "machine": machine(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def newest(records: Sequence[Record], experiment: str) -> dict[str, list[Record]]:
    """The records that a table is made of, by row in the table's order: one for each seed.

    Of a row that was trained with several configurations, those like the newest record's count.
    """
    chosen = [record for record in records if record["experiment"] == experiment]
    last = {record["row"]: record for record in chosen}
    latest = {
        (record["row"], record["seed"]): record
        for record in chosen
        if record["digest"] == last[record["row"]]["digest"]
    }
    rows = sorted(last.values(), key=lambda record: record["place"])
    return {
        row["row"]: [latest[key] for key in sorted(latest) if key[0] == row["row"]] for row in rows
    }
