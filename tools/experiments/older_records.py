"""Records in the form that they had before: nested configurations, the GPU's names of rows."""

from __future__ import annotations

from typing import Any

from ddan_torchreid.config import schema as configuration

from . import photographs

_EXPERIMENTS = ("table5", "table3", "figure3", "home")
_ROWS = {"worst": "worst_central"}


def translated(record: dict[str, Any]) -> dict[str, Any]:
    """A record as :mod:`.records` describes it.

    Those of the GPU's queue are the study's on photographs: of its experiments ``table5``,
    ``table3`` and ``figure3`` the rows are called as there, of ``home`` they begin otherwise.
    """
    if "place" in record:
        return record
    record = dict(record)
    record["config"] = _flat(record["config"])
    record["run"] = f"runs/{record['experiment']}-{record['row']}-seed{record['seed']}"
    if "home" in record:
        record["held_out"] = record.pop("home")
    for scores in record["scores"].values():
        scores.pop("std", None)
    key = _ROWS.get(record["row"], record["row"])
    key = f"held_out_{key}" if record["experiment"] == "home" else key
    rows = {row.key: (place, row.label) for place, row in enumerate(photographs.rows())}
    if record["experiment"] in _EXPERIMENTS and key in rows:
        record |= {"experiment": "photographs", "row": key}
    record["place"], record["label"] = rows.get(key, (0, record["label"]))
    if "identities" in record:
        sources = ", ".join(record["sources"])
        record["counts"] = {"sources": {sources: [record["identities"], record["images"]]}}
    return record


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys whose values are not the defaults."""
    default = configuration.get_default_config()
    found: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif value != configuration.value_of(default, prefix + name):
            found[prefix + name] = value
    return found
