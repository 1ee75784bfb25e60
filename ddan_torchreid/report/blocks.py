"""What a report is made of, whatever it is written as.

All texts are plain: a renderer escapes them, and sets ``L_X`` as a loss term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``quiet`` ones are notes."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Commands:
    """Command lines, one for each line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; the first ``text_columns`` columns hold words, the others numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    text_columns: int = 1


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        data: content of the file.
        suffix: ``svg``, ``png`` or ``jpg``.
        name: of its file, without suffix; unique in a report.
        alt: what it shows, for those who do not see it.
        caption: below it.
    """

    data: bytes
    suffix: str
    name: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side where there is room; ``wide`` ones have a line each."""

    pictures: Sequence[Picture]
    wide: bool = False


Block = Paragraph | Heading | Commands | Table | Pictures


@dataclass(frozen=True)
class Finding:
    """One sentence.

    Attributes:
        text: of it.
        verdict: its last words, which are set apart.
        aside: stands in its section alone, and not among those that open the report.
    """

    text: str
    verdict: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Section:
    """A section: its findings, each one sentence, come first and also open the report."""

    title: str
    anchor: str
    findings: Sequence[Finding] = ()
    blocks: Sequence[Block] = field(default_factory=list)

    @property
    def headlines(self) -> list[Finding]:
        """Those of its findings that open the report."""
        return [finding for finding in self.findings if not finding.aside]


@dataclass(frozen=True)
class Report:
    """A title, a line on what the report is about, and the sections."""

    title: str
    introduction: str
    sections: Sequence[Section]
