"""Fills a page: a human's words in a Jinja template, and tables and plots of the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from .. import paper, records
from ..conditions import pairs as usual_pairs
from ..plan import TITLES
from . import plots, tables
from .tables import Pair, Rows

TEMPLATE = "page.md.j2"
"""Looked for beside the records first, so that a study has words of its own."""


def write(folder: Path, markdown: Path) -> None:
    """Writes a Markdown page, and its plots into a folder of the same name beside it.

    Args:
        folder: of ``results.jsonl``.
        markdown: file to write.

    Raises:
        FileNotFoundError: the folder has no records.
    """
    found = records.read(folder)
    if not found:
        raise FileNotFoundError(f"there are no records in {folder}; name the folder of a study")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    studies = {
        name: Study(name, records.newest(found, name), folder, markdown)
        for name in dict.fromkeys(record["experiment"] for record in found)
    }
    text = environment.get_template(TEMPLATE).render(studies=studies, paper=paper)
    markdown.parent.mkdir(parents=True, exist_ok=True)
    markdown.write_text(text, encoding="utf-8")


class Study:
    """One experiment as a template sees it; rows are named by their keys, all by default.

    Rows that have not been run are left out of tables and plots.
    """

    def __init__(self, name: str, rows: Rows, folder: Path, markdown: Path) -> None:
        self.title = TITLES.get(name, name)
        self.rows = rows
        self._name = name
        self._folder = folder
        self._markdown = markdown

    def has(self, *keys: str) -> bool:
        """Whether all of these rows have been run."""
        return set(keys) <= set(self.rows)

    def starting(self, prefix: str) -> list[str]:
        """Keys of the rows that begin so."""
        return [key for key in self.rows if key.startswith(prefix)]

    def scores(self, keys: Sequence[str] = (), metric: str = "rank-1") -> str:
        """See :func:`.tables.scores`."""
        return tables.scores(self._chosen(keys), metric)

    def beside(self, keys: Sequence[str], metrics: Sequence[str], printed: Mapping) -> str:
        """See :func:`.tables.beside`."""
        return tables.beside(self._chosen(keys), metrics, printed)

    def printed(self, title: str, rows: Mapping[str, Sequence[float]]) -> str:
        """See :func:`.tables.printed`; on the paper's targets."""
        return tables.printed(title, rows, paper.TARGETS)

    def differences(
        self, pairs: Sequence[Pair] = (), metrics: Sequence[str] = ("rank-1", "mAP")
    ) -> str:
        """See :func:`.tables.differences`."""
        return tables.differences(self.rows, self._pairs(pairs), metrics)

    def difference(self, a: str, b: str, metric: str = "rank-1") -> str:
        """See :func:`.tables.difference`."""
        return tables.difference(self.rows[a], self.rows[b], metric)

    def gained(self, key: str, without: str) -> str:
        """See :func:`.tables.gained`."""
        return tables.gained(self.rows[key], without)

    @property
    def images(self) -> tuple[int, int]:
        """Identities and images that the first row was trained on."""
        counts = next(iter(self.rows.values()))[0]["counts"]["sources"].values()
        return sum(ids for ids, _ in counts), sum(images for _, images in counts)

    def distances(self, key: str, moved: str = "") -> str:
        """See :func:`.tables.distances`."""
        return tables.distances(self.rows[key], self.rows.get(moved, ()))

    def triples(self, key: str) -> str:
        """See :func:`.tables.triples`."""
        return tables.triples(self.rows[key])

    def held_out(self, keys: Sequence[str] = ()) -> str:
        """See :func:`.tables.held_out`."""
        return tables.held_out(self._chosen(keys))

    def validation(self, keys: Sequence[str] = ()) -> str:
        """See :func:`.tables.validation`."""
        return tables.validation(self._chosen(keys))

    def provenance(self) -> str:
        """See :func:`.tables.provenance`."""
        return tables.provenance(self.rows)

    def forest(self, pairs: Sequence[Pair] = (), metric: str = "rank-1") -> str:
        """See :func:`.plots.forest`."""
        path = self._picture("differences")
        plots.forest(path, self.rows, self._pairs(pairs), metric)
        return self._shown(path, "Paired differences with their 95 % intervals")

    def curves(self, quantities: Sequence[str], keys: Sequence[str] = ()) -> str:
        """See :func:`.plots.curves`."""
        path = self._picture("training")
        plots.curves(path, self._chosen(keys), quantities)
        return self._shown(path, f"{' and '.join(quantities)} over the epochs")

    def sweep(self, parameter: str, keys: Sequence[str], metric: str = "rank-1") -> str:
        """See :func:`.plots.sweep`."""
        path = self._picture(parameter.rpartition(".")[2])
        plots.sweep(path, self._chosen(keys), parameter, metric)
        return self._shown(path, f"{metric} along {parameter}")

    def embedding(self, keys: Sequence[str] = ()) -> str:
        """See :func:`.plots.embedding`."""
        path = self._picture("features")
        drawn = plots.embedding(path, self._chosen(keys), self._folder)
        return self._shown(path, "Features of the sources, t-SNE") if drawn else ""

    def _chosen(self, keys: Sequence[str]) -> Rows:
        return {key: self.rows[key] for key in (keys or self.rows) if key in self.rows}

    def _pairs(self, pairs: Sequence[Pair]) -> list[Pair]:
        if not pairs:
            label = {key: found[0]["label"] for key, found in self.rows.items()}
            usual = usual_pairs(list(self.rows))
            return [(a, b, f"{label[b]} against {label[a]}") for a, b in usual]
        return [pair for pair in pairs if self.has(*pair[:2])]

    def _picture(self, name: str) -> Path:
        return self._markdown.with_suffix("") / f"{self._name}-{name}.svg"

    def _shown(self, path: Path, text: str) -> str:
        return f"![{text}]({path.relative_to(self._markdown.parent).as_posix()})"
