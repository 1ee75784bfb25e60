"""Sections' parts on features: domain distances, embeddings, triples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..experiments import paper
from ..experiments.ablation import short
from . import feature_plots
from .blocks import Block, Heading, Paragraph, Picture, Pictures, Table
from .comparison import DASH, decimals, mean_std
from .pictures import Folder, strip
from .results import Experiment, Row

WITH_MAPS = ("table2", "figure2")
"""Experiments that are about the distances between the sources."""
_STRIP = ("A", "B", "C")


def distances(experiment: Experiment) -> list[Block]:
    """Table 2 and Figure 2: the distances between the sources of each row that has them."""
    if experiment.name not in WITH_MAPS:
        return []
    found = {row.key: matrices(row) for row in experiment.rows.values() if matrices(row)}
    if not found:
        return []
    means = {key: np.mean([each["matrix"] for each in some], axis=0) for key, some in found.items()}
    # One scale for all rows, so that a darker map is a closer set of domains.
    highest = max(float(mean.max()) for mean in means.values()) or 1.0
    pictures: list[Picture] = []
    for key, some in found.items():
        itself = [each["self"] for each in some if "self" in each]
        label = experiment.rows[key].label
        own = np.mean(itself, axis=0) if itself else None
        pictures.append(
            Picture(
                feature_plots.heat_map(some[0]["names"], means[key], own, highest),
                "svg",
                f"{experiment.name}-distances-{len(pictures)}",
                f"Distances between the sources under {label}, with their sums.",
                f"{label}, " + (f"mean of {len(some)} seeds." if len(some) > 1 else "one seed."),
            )
        )
    note = Paragraph(
        "Italic, on the diagonal: a domain's distance to itself, between two halves of its sample, "
        "which as half as many images lie rather too far apart for the comparison. Bold: the "
        "least sum, which is Eq. 3's central domain.",
        quiet=True,
    )
    blocks: list[Block] = [Heading("Distances between the sources"), Pictures(pictures), note]
    if experiment.name == "table2":
        blocks += [
            _distance_table(experiment, experiment.rows[key], some) for key, some in found.items()
        ]
        blocks.append(_published_distances())
    return blocks


def matrices(row: Row) -> list[dict[str, Any]]:
    """The distances of a row's runs that are over the same domains as its first one's."""
    found = [
        record["distances"] for record in row.records if "matrix" in record.get("distances", {})
    ]
    return [each for each in found if each["names"] == found[0]["names"] and each["names"]]


def _distance_table(experiment: Experiment, row: Row, found: list[dict[str, Any]]) -> Table:
    names = found[0]["names"]
    stack = np.array([each["matrix"] for each in found])
    own = np.array([each["self"] for each in found if "self" in each])
    chosen = [each.get("central") for each in found]
    digits = decimals(float(stack.mean(0).max()))
    lines = []
    for i, name in enumerate(names):
        cells = [
            f"{stack[:, i, j].mean():.{digits}f}" if i != j else DASH for j in range(len(names))
        ]
        halves = mean_std(own[:, i], digits) if own.size else DASH
        line = [short(name), *cells, mean_std(stack[:, i].sum(1), digits), halves]
        lines.append([*line, f"{chosen.count(name)} of {len(chosen)}"])
    for other in experiment.rows.values():
        moved = [
            record["distances"]["to_baseline"]
            for record in other.records
            if record.get("distances", {}).get("names") == names
            and "to_baseline" in record["distances"]
        ]
        if moved:
            means = [f"{value:.{digits}f}" for value in np.mean(moved, axis=0)]
            total = mean_std(np.sum(moved, axis=1), digits)
            lines.append([other.label, *means, total, DASH, DASH])
    return Table(
        ("centre", *map(short, names), "sum", "to itself", "chosen"),
        lines,
        f"Measured under {row.label}: distances of Eq. 3, mean over the seeds (sums: "
        "± standard deviation). Chosen: in how many seeds Eq. 3 takes this domain as the centre. "
        "All domains: how far pairwise alignment moves each source from the baseline's features.",
    )


def _published_distances() -> Table:
    lines = [
        [name, *(f"{v:.2f}" if v else DASH for v in values), f"{total:.2f}"]
        for name, values, total in zip(paper.SOURCES, paper.TABLE2, paper.TABLE2_SUMS, strict=True)
    ]
    last = [f"{value:.2f}" for value in (*paper.TABLE2_PAIRWISE, paper.TABLE2_PAIRWISE_SUM)]
    return Table(
        ("centre", *paper.SOURCES, "sum"),
        [*lines, ["All domains", *last]],
        "The paper's Table 2, on real datasets.",
    )


def embeddings(experiment: Experiment, folder: Folder) -> list[Block]:
    """Figure 2: t-SNE of the sources under each row, of the first seed that has it."""
    pictures: list[Picture] = []
    for row in experiment.rows.values():
        for record in row.records:
            name = record.get("embedding", {}).get("file")
            path = folder.find(name) if name else None
            if path is None:
                continue
            try:
                points = feature_plots.read_embedding(path)
            except ValueError:
                folder.skip(name, "is no embedding that can be read")
                continue
            pictures.append(
                Picture(
                    feature_plots.embedding(*points, row.label),
                    "svg",
                    f"{experiment.name}-embedding-{len(pictures)}",
                    f"t-SNE of the sources' features under {row.label}.",
                    f"{row.label}, seed {record['seed']}.",
                )
            )
            break
    if not pictures:
        return []
    note = Paragraph(
        "The same images in every panel. t-SNE keeps neighbourhoods, not distances: what it shows "
        "is whether domains mix, and the distances above are the measure of it.",
        quiet=True,
    )
    return [Heading("t-SNE of the sources' features"), Pictures(pictures), note]


def triples(experiment: Experiment, folder: Folder) -> list[Block]:
    """Table 4: counts of all seeds, and the pictures of the first seed that has some."""
    counted = [
        (record["seed"], record["triple_counts"])
        for record in experiment.records
        if record.get("triple_counts")
    ]
    blocks: list[Block] = []
    if counted:
        lines = [
            [str(seed), *(str(count[key]) for key in ("triples", "mended", "broken"))]
            for seed, count in counted
        ]
        caption = (
            "A and B: two people of one domain. C: of another domain, similar to A. Mended: A is "
            "nearer to B without L_SE and nearer to C with it. Broken: the reverse."
        )
        blocks.append(Table(("seed", "triples", "mended", "broken"), lines, caption))
    record = next((each for each in experiment.records if each.get("triples")), None)
    if record is not None:
        blocks.append(Pictures(_triple_pictures(experiment, record, folder)))
        blocks.append(
            Paragraph(
                f"Seed {record['seed']}; those with the largest changes, so not typical ones: the "
                "counts above are of all.",
                quiet=True,
            )
        )
    if not blocks:
        return []
    printed = [
        [str(n), *(f"{value:.2f}" for value in (before[0], after[0], before[1], after[1]))]
        for n, (before, after) in enumerate(paper.TABLE4, start=1)
    ]
    columns = ("triple", "cs(A, B) without", "with L_SE", "cs(A, C) without", "with L_SE")
    caption = "The paper's Table 4: cosine similarities of three triples of real images."
    return [Heading("Image triples"), *blocks, Table(columns, printed, caption)]


def _triple_pictures(experiment: Experiment, record: Any, folder: Folder) -> list[Picture]:
    pictures: list[Picture] = []
    for triple in record["triples"]:
        parts = [triple[key] for key in ("anchor", "same_domain", "other_domain")]
        images = [folder.read(name) for name in parts]
        if not any(images):
            continue
        before, after = triple["without"], triple["with"]
        word = "Mended" if triple["mended"] else "Broken"
        domains = f"{short(triple['anchor_domain'])}; C: {short(triple['other_domain_name'])}"
        change = "; ".join(
            f"cs({pair}) {before[key]:.2f} \N{RIGHTWARDS ARROW} {after[key]:.2f}"
            for pair, key in (("A, B", "same_domain"), ("A, C", "other_domain"))
        )
        name = f"{experiment.name}-triple-{len(pictures)}"
        caption = f"{word}. A, B: {domains}. {change}."
        pictures.append(Picture(strip(images, _STRIP), "jpg", name, caption, caption))
    return pictures
