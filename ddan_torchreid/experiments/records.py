"""``results.jsonl``: one line for each finished run of an experiment.

The file lies in the output folder, and every path in it is relative to that folder. A line is
a JSON object with

- ``experiment``, ``row`` (stable key), ``label`` (printed name), ``place`` (of the row in its
  table, from 0), ``seed``;
- ``domains`` (``real`` or ``rendered``), ``sources``, ``targets``, ``config`` (nested,
  without the places of files), ``options`` (what else the command line said), ``digest`` of both;
- ``versions``, ``git`` (``commit``, ``dirty``; null outside a checkout), ``machine``, ``seconds``
  (of training and scoring), ``steps``, ``run`` (folder with weights and log), ``finished`` (UTC);
- ``curves``: means over each epoch of what the training step returns, ``epoch`` beside them.
  ``acc`` and ``balanced_acc_domain`` (mean over the classes; older records have ``acc_domain``, the
  share of all images) are in percent, ``gradient_<term>`` is the L2 norm of the weighted term's
  gradient on the mapping network, ``pool_largest_channels`` the number of distinct largest
  channels in the ID pool at the end of the epoch; null where a term was off in that epoch;
- ``scores``: for each target ``rank-1``, ``rank-5``, ``rank-10``, ``rank-20``, ``mAP``, ``mINP`` as
  fractions, and where a target has several splits ``std`` with the same keys;
- ``distances`` between the sources (Eq. 3: ``names``, ``matrix``, ``self``, ``central``),
  ``domain_probe``, ``central_probe`` and, on drawn domains, ``neighbours``: see :mod:`.probes`;
- ``erased``: scores without the source in the features, see :mod:`.erasure`;
- ``home``: on drawn domains, scores on new people of the sources, see :mod:`.home`;
- ``rankings``: for each target some queries, ``{"query": file, "gallery": [[file, right], ...]}``,
  nearest first, ``right`` being 1 or 0. These paths are relative to the data root.

Some lines have more: ``rescored`` (``versions``, ``git``, ``machine`` and ``finished`` of what
scored the run again, from its weights), ``failed`` (why training stopped; then ``scores`` is
empty), ``parameter`` (``name`` and ``value``, Figure 3), ``distances`` with ``to_baseline`` instead
for Table 2's last row, ``embedding`` (``file``: an ``.npz`` with ``xy`` (n, 2), ``domain`` (n,) and
``names``), ``triples`` and ``triple_counts`` (Table 4),
``ranking_picture``, ``protocol``, ``counts`` (identities and images of each source, query and
gallery images of each target) and ``counts_differ``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = "results.jsonl"

Record = dict[str, Any]


def read(folder: str | Path) -> list[Record]:
    """All records of an output folder, oldest first; none if there is no file yet.

    A last line without a line feed was being written when the machine stopped, and is left out.

    Raises:
        ValueError: another line is no JSON object; the message has its number.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ValueError(
                f"{path}, line {number} is no JSON object; delete this line to go on without it"
            )
        records.append(record)
    return records


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


def newest(
    records: Sequence[Record], experiment: str, digests: dict[str, str] | None = None
) -> list[Record]:
    """The records that a table is made of: one for each row and seed, sorted by seed.

    Args:
        records: oldest first.
        experiment: name.
        digests: the current digest of each row, in the order of the rows; rows that are not
            among them are left out. By default a row's current digest is that of its newest
            record, and the rows are sorted by their place.
    """
    chosen = [record for record in records if record["experiment"] == experiment]
    if digests is None:
        last = {record["row"]: record for record in chosen}
        ordered = sorted(last.values(), key=lambda record: record.get("place", 0))
        digests = {record["row"]: record["digest"] for record in ordered}
    latest = {
        (record["row"], record["seed"]): record
        for record in chosen
        if digests.get(record["row"]) == record["digest"]
    }
    order = list(digests)
    return sorted(latest.values(), key=lambda record: (order.index(record["row"]), record["seed"]))
