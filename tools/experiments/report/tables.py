"""Markdown tables of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..records import Record
from .statistics import Interval, cells, crossed_interval, paired, seed_interval, smallest_shown

Rows = Mapping[str, Sequence[Record]]
"""Records by row, one for each seed."""
Pair = tuple[str, str, str]
"""Two rows, and the label of the second one's difference to the first."""

DASH = "\N{EN DASH}"


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose first column is left-aligned and whose others are right-aligned."""
    rule = "|---|" + "---:|" * (len(header) - 1)
    rows = [f"| {' | '.join(line)} |" for line in (header, *lines)]
    return "\n".join([rows[0], rule, *rows[1:]])


def short(name: str) -> str:
    """A domain's name as tables print it."""
    return name.removeprefix("rendered_")


def mean_std(values: ArrayLike, digits: int = 1) -> str:
    """Mean and, of two values or more, standard deviation (n - 1); a dash for none."""
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        return DASH
    spread = f" ± {values.std(ddof=1):.{digits}f}" if values.size > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def scores(rows: Rows, metric: str = "rank-1") -> str:
    """A line for each row: mean and standard deviation over its seeds, by target, in percent.

    Rows with other targets, as those of a leave-one-out protocol, have a table of their own.
    """
    groups: dict[tuple[str, ...], list[list[str]]] = {}
    for records in rows.values():
        targets = tuple(records[0]["targets"])
        found = cells(records, metric)
        values = [*found.T, found.mean(1)] if found.size else []
        columns = [mean_std(each) for each in values] or ["failed"] * (len(targets) + 1)
        line = [records[0]["label"], *columns, str(len(records))]
        groups.setdefault(targets, []).append(line)
    return "\n\n".join(
        markdown([metric, *map(short, targets), "mean", "seeds"], lines)
        for targets, lines in groups.items()
    )


def beside(rows: Rows, metrics: Sequence[str], printed: Mapping[str, Sequence]) -> str:
    """Several metrics in a cell, means over the seeds, above the same of others.

    Args:
        rows: ours, on the targets that the others name too.
        metrics: of a cell.
        printed: by name, for each target the values of some of the metrics.
    """
    targets = next(iter(rows.values()))[0]["targets"]
    values = {
        f"ours: {records[0]['label']}": np.mean([cells(records, m) for m in metrics], axis=1).T
        for records in rows.values()
    }
    lines = [
        [name, *(" / ".join(f"{v:.1f}" for v in cell) for cell in [*own, np.mean(own, axis=0)])]
        for name, own in {**values, **printed}.items()
    ]
    return markdown([" / ".join(metrics), *map(short, targets), "mean"], lines)


def printed(title: str, rows: Mapping[str, Sequence[float]], targets: Sequence[str]) -> str:
    """A table of numbers that somebody else prints, with their mean."""
    lines = [
        [name, *(f"{value:.1f}" for value in values), f"{np.mean(values):.1f}"]
        for name, values in rows.items()
    ]
    return markdown([title, *targets, "mean"], lines)


def differences(rows: Rows, pairs: Sequence[Pair], metrics: Sequence[str]) -> str:
    """A line for each pair: paired differences with 95 % intervals, and what could be shown.

    The first metric has two intervals: over the seeds (Student's t) with the targets as they are,
    and over seeds and targets (bootstrap); the others have the first one.
    """
    first, *others = metrics
    header = ["difference, points", first, "95 % over seeds", "over seeds and targets"]
    header += [text for metric in others for text in (metric, "95 %")] + ["seeds", "could show"]
    lines = []
    for a, b, label in pairs:
        found = paired(rows[a], rows[b], first)
        if not len(found):
            continue
        line = [label, signed(found.mean()), ends(seed_interval(found))]
        line.append(ends(crossed_interval(found)))
        for metric in others:
            other = paired(rows[a], rows[b], metric)
            line += [signed(other.mean()), ends(seed_interval(other))]
        smallest = smallest_shown(found)
        lines.append([*line, str(len(found)), DASH if np.isnan(smallest) else f"{smallest:.1f}"])
    return markdown(header, lines)


def difference(a: Sequence[Record], b: Sequence[Record], metric: str) -> str:
    """One pair in words: b - a, its interval over the seeds, and what could be shown."""
    found = paired(a, b, metric)
    interval = ends(seed_interval(found))
    return f"{signed(found.mean())} ({interval}; could show {smallest_shown(found):.1f})"


def ends(interval: Interval) -> str:
    """The ends of an interval; a dash where there is none."""
    return DASH if np.isnan(interval.low) else f"{signed(interval.low)} to {signed(interval.high)}"


def signed(value: float) -> str:
    """A difference with its sign; two digits where one would print a zero that is none."""
    return f"{value:+.{2 if abs(value) < 0.05 else 1}f}"


def gained(records: Sequence[Record], without: str, metric: str = "rank-1") -> str:
    """What scores gain when a shift is taken out of the targets' features, with its interval.

    Args:
        records: of one row; those with the entry ``standardised`` count.
        without: ``target`` or ``camera``, whose mean and deviation are taken out.
        metric: of the scores.
    """
    found = [each["standardised"].values() for each in records if "standardised" in each]
    gains = [[100 * (t[without][metric] - t["nothing"][metric]) for t in each] for each in found]
    return f"{signed(np.mean(gains))} ({ends(seed_interval(gains))})"


def distances(records: Sequence[Record], moved: Sequence[Record] = ()) -> str:
    """Table 2, means over the seeds: distances between the sources, and of each to itself.

    Args:
        records: of the row whose features are compared.
        moved: of the row that was aligned pairwise and has the entry ``moved``.
    """
    found = [record["distances"] for record in records if "distances" in record]
    names = found[0]["names"]
    matrix = np.mean([each["matrix"] for each in found], axis=0)
    own = np.mean([each["self"] for each in found], axis=0)
    votes = Counter(each["central"] for each in found)
    lines = [
        [short(name), *(f"{value:.2f}" for value in [*row, row.sum(), itself])]
        for name, row, itself in zip(names, matrix, own, strict=True)
    ]
    for line, name in zip(lines, names, strict=True):
        line.append(f"{votes[name]} of {len(found)}")
    if costs := [[each["moved"][name] for name in names] for each in moved if "moved" in each]:
        line = np.mean(costs, axis=0)
        lines.append(["All domains", *(f"{v:.2f}" for v in line), f"{line.sum():.2f}", "", ""])
    return markdown(["", *map(short, names), "sum", "to itself", "chosen by Eq. 3"], lines)


def triples(records: Sequence[Record]) -> str:
    """Table 4: how many triples have their order mended, and broken."""
    found = [(each["seed"], each["triples"]) for each in records if "triples" in each]
    keys = ("all", "mended", "broken")
    lines = [[str(seed), *(str(each[key]) for key in keys)] for seed, each in found]
    return markdown(["seed", "triples", "mended", "broken"], lines)


def held_out(rows: Rows, metric: str = "rank-1") -> str:
    """A line for each row: scores on held-out identities of the sources, and on the targets."""
    found = {key: [r for r in records if r.get("held_out")] for key, records in rows.items()}
    names = next(iter(records[0]["held_out"] for records in found.values() if records))
    lines = []
    for records in filter(None, found.values()):
        own = 100 * np.array([[r["held_out"][name][metric] for name in names] for r in records])
        columns = [mean_std(column) for column in own.T]
        columns += [mean_std(own.mean(1))] * (len(names) > 1)
        targets = mean_std(cells(records, metric).mean(1))
        lines.append([records[0]["label"], *columns, targets, str(len(records))])
    header = [f"{metric}, held-out identities of", *map(short, names), *["mean"] * (len(names) > 1)]
    header += ["targets", "seeds"]
    return markdown(header, lines)


def validation(rows: Rows) -> str:
    """A line for each row of a search: scores on the domains that it chose by, and its cost."""
    names = list(next(iter(rows.values()))[0]["validation"])
    lines = []
    for records in rows.values():
        found = [list(r["validation"].values()) for r in records if "failed" not in r]
        both = [100 * np.array([[each[m] for each in r] for r in found]) for m in ("mAP", "rank-1")]
        columns = [*both[0].T, both[0].mean(1), both[1].mean(1)] if found else []
        scored = [mean_std(column) for column in columns] or ["failed"] * (len(names) + 2)
        minutes = np.mean([record["seconds"] for record in records]) / 60
        lines.append([records[0]["label"], *scored, str(len(records)), f"{minutes:.0f}"])
    return markdown(["mAP", *names, "mean", "mean rank-1", "seeds", "minutes"], lines)


def provenance(rows: Rows) -> str:
    """What was run, where and with what: a line for each kind of value."""
    records = [record for each in rows.values() for record in each]
    counts = records[0].get("counts", {})
    steps = sorted({record["steps"] for record in records})
    seconds = {record["run"]: record["seconds"] for record in records}
    commits = {(r.get("rescored") or r)["git"]["commit"] or DASH for r in records}
    versions = {" ".join((name, v)) for r in records for name, v in r["versions"].items()}
    lines = [
        ["runs", f"{len(seconds)}, of {DASH.join(map(str, dict.fromkeys([steps[0], steps[-1]])))}"
         " steps each"],
        ["hours, summed over the runs", f"{sum(seconds.values()) / 3600:.1f}"],
        ["machine", "; ".join(sorted({record["machine"] for record in records}))],
        ["sources", _counted(counts.get("sources", {}), "identities", "images")],
        ["targets", _counted(counts.get("targets", {}), "query", "gallery images")],
        ["versions", ", ".join(sorted(versions))],
        ["commits", ", ".join(sorted(each[:9] for each in commits))],
    ]  # fmt: skip
    failed = [f"{r['label']}, seed {r['seed']}: {r['failed']}" for r in records if "failed" in r]
    lines.append(["failed", "; ".join(failed)])
    known = [f"| {name} | {text} |" for name, text in lines if text]
    return "\n".join(["|  |  |", "|---|---|", *known])


def _counted(counts: Mapping[str, Sequence[int]], first: str, second: str) -> str:
    pairs = (f"{short(name)} {a:,} {first}, {b:,} {second}" for name, (a, b) in counts.items())
    return "; ".join(pairs)
