"""Records that are not what they should be are refused before anything is drawn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..experiments.records import Record

TRIPLE = ("anchor", "same_domain", "other_domain", "anchor_domain", "other_domain_name")


def check(record: Record) -> None:
    """Looks at every part that the report reads.

    Raises:
        ValueError: the first part that is missing or is of another kind than
            :mod:`ddan_torchreid.experiments.records` says.
    """
    for key in ("experiment", "row", "label", "digest"):
        _require(isinstance(record.get(key), str), f"{key!r} must be a text")
    _require(_is_whole(record.get("seed")), "'seed' must be a whole number")
    _require(_is_whole(record.get("place", 0)), "'place' must be a whole number")
    for key in ("sources", "targets"):
        _require(_are(record.get(key, []), str), f"{key!r} must be a list of names")
    for key in ("domains", "machine", "finished", "failed", "run", "ranking_picture", "protocol"):
        _require(isinstance(record.get(key, ""), str), f"{key!r} must be a text")
    for key in ("config", "scores", "curves", "versions", "rankings", "options", "triple_counts"):
        _require(isinstance(record.get(key, {}), dict), f"{key!r} must be an object")
    _require(isinstance(record.get("git") or {}, dict), "'git' must be an object or null")
    again = record.get("rescored", {"git": None})
    _require(
        isinstance(again, dict) and isinstance(again.get("git") or {}, dict),
        "'rescored' must be an object, and its 'git' an object or null",
    )
    for key in ("ddan", "data", "model", "train"):
        node = record.get("config", {}).get(key, {})
        _require(isinstance(node, dict), f"{key!r} of 'config' must be an object")
    settings = record.get("config", {})
    for node, key in (("train", "batch_size"), ("ddan", "weight_similarity")):
        value = settings.get(node, {}).get(key, 0)
        _require(_is_number(value), f"{key!r} of {node!r} in 'config' must be a number")
    centre = settings.get("ddan", {}).get("central_domain", "")
    _require(isinstance(centre, str), "'central_domain' of 'config' must be a text")
    _require(isinstance(record.get("counts_differ", ""), str), "'counts_differ' must be a text")
    for key in ("seconds", "steps"):
        _require(_is_number(record.get(key, 0)), f"{key!r} must be a number")
    for target, scores in record.get("scores", {}).items():
        _check_scores(target, scores)
    _require(isinstance(record.get("home", {}), dict), "'home' must be an object")
    for source, scores in record.get("home", {}).items():
        _check_scores(source, scores)
    _check_curves(record.get("curves", {}))
    _check_rankings(record.get("rankings", {}))
    _check_distances(record.get("distances"))
    _check_triples(record.get("triples", []))
    counts = record.get("triple_counts", {})
    _require(
        not counts or all(_is_whole(counts.get(key)) for key in ("triples", "mended", "broken")),
        "'triple_counts' must have whole numbers 'triples', 'mended' and 'broken'",
    )
    _check_options(record.get("options", {}))
    _check_fractions(record, "domain_probe", ("accuracy", "chance"))
    _check_fractions(record, "central_probe", ("balanced",))
    _check_erased(record.get("erased", {}))
    _check_neighbours(record)
    _check_counts(record.get("counts", {}))
    if "embedding" in record:
        file = record["embedding"].get("file") if isinstance(record["embedding"], dict) else None
        _require(isinstance(file, str), "'embedding' must name a 'file'")
    if "parameter" in record:
        parameter = record["parameter"]
        _require(
            isinstance(parameter, dict)
            and isinstance(parameter.get("name"), str)
            and _is_number(parameter.get("value")),
            "'parameter' must have a 'name' and a number 'value'",
        )


def _check_options(options: Mapping[str, Any]) -> None:
    _require(isinstance(options.get("targets", ""), str), "'targets' of 'options' must be a text")
    _require(
        _are(options.get("pairs", []), str),
        "'pairs' of 'options' must be a list of texts",
    )
    epochs = options.get("pretrain_epochs")
    _require(
        epochs is None or _is_whole(epochs),
        "'pretrain_epochs' of 'options' must be a whole number or null",
    )


def _check_fractions(record: Record, name: str, keys: Sequence[str]) -> None:
    entry = record.get(name)
    _require(
        name not in record
        or (
            isinstance(entry, dict)
            and all(_is_number(entry.get(key)) and 0 <= entry[key] <= 1 for key in keys)
        ),
        f"{name!r} must have fractions {' and '.join(map(repr, keys))}",
    )


def _check_erased(erased: Any) -> None:
    _require(
        isinstance(erased, dict)
        and all(
            isinstance(each, dict)
            and _is_whole(each.get("directions"))
            and all(_is_number(each.get(key)) for key in ("variance", "probe"))
            and isinstance(each.get("scores"), dict)
            for each in erased.values()
        ),
        "'erased' must have 'directions', 'variance', 'probe' and 'scores' for each question",
    )
    for each in erased.values():
        for target, scores in each["scores"].items():
            _check_scores(target, scores)


def _check_neighbours(record: Record) -> None:
    _check_fractions(record, "neighbours", ("found", "chance"))
    entry = record.get("neighbours", {"k": 1, "identities": 1})
    _require(
        all(_is_whole(entry.get(key)) for key in ("k", "identities")),
        "'neighbours' must have whole numbers 'k' and 'identities'",
    )
    _require(
        all(_is_number(entry.get(key, 0)) for key in ("colour", "colour_chance")),
        "'neighbours' must have numbers 'colour' and 'colour_chance'",
    )


def _check_counts(counts: Any) -> None:
    sources = counts.get("sources", {}) if isinstance(counts, dict) else None
    _require(
        isinstance(sources, dict)
        and all(
            isinstance(each, list) and len(each) == 2 and all(map(_is_whole, each))
            for each in sources.values()
        ),
        "'counts' must have identities and images for each of its 'sources'",
    )


def _check_scores(target: str, scores: Any) -> None:
    _require(isinstance(scores, dict), f"'scores' of {target!r} must be an object")
    spread = scores.get("std", {})
    _require(isinstance(spread, dict), f"'std' of {target!r} must be an object")
    for values in (scores, spread):
        _require(
            all(_is_number(value) for key, value in values.items() if key != "std"),
            f"'scores' of {target!r} must be numbers",
        )


def _check_curves(curves: Mapping[str, Any]) -> None:
    epochs = curves.get("epoch", [])
    for key, values in curves.items():
        _require(
            isinstance(values, list)
            and len(values) == len(epochs)
            and all(value is None or _is_number(value) for value in values)
            and (key != "epoch" or None not in values),
            f"'curves' must have a number for each epoch, or null, under {key!r}",
        )


def _check_rankings(rankings: Mapping[str, Any]) -> None:
    for target, queries in rankings.items():
        _require(
            _are(queries, dict)
            and all(
                isinstance(query.get("query"), str)
                and _are(query.get("gallery"), list)
                and all(
                    len(pair) == 2 and isinstance(pair[0], str) and pair[1] in (0, 1)
                    for pair in query["gallery"]
                )
                for query in queries
            ),
            f"'rankings' of {target!r} must be queries, each with a gallery of [file, 0 or 1]",
        )


def _check_distances(distances: Any) -> None:
    if distances is None:
        return
    _require(
        isinstance(distances, dict) and _are(distances.get("names"), str),
        "'distances' must be an object with 'names'",
    )
    size = len(distances["names"])
    rows = distances.get("matrix", [[]] * size)
    _require(
        _are(rows, list)
        and len(rows) == size
        and ("matrix" not in distances or all(_are_numbers(row, size) for row in rows)),
        "'matrix' of 'distances' must have a row and a column for each name",
    )
    for key in ("self", "to_baseline"):
        _require(
            key not in distances or _are_numbers(distances[key], size),
            f"{key!r} of 'distances' must have a number for each name",
        )
    _require(
        distances.get("central", "") in ("", *distances["names"]),
        "'central' of 'distances' must be one of its names",
    )


def _check_triples(triples: Any) -> None:
    _require(_are(triples, dict), "'triples' must be a list of objects")
    for triple in triples:
        _require(
            all(isinstance(triple.get(key), str) for key in TRIPLE)
            and isinstance(triple.get("mended"), bool)
            and all(
                isinstance(triple.get(model), dict)
                and all(_is_number(triple[model].get(key)) for key in TRIPLE[1:3])
                for model in ("without", "with")
            ),
            "a triple must have three pictures, two domains, 'mended', and the similarities "
            "'without' and 'with'",
        )


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise ValueError(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _are_numbers(values: Any, size: int) -> bool:
    return isinstance(values, list) and len(values) == size and all(map(_is_number, values))
