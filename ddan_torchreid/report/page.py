"""The report as one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence

from .blocks import (
    Block,
    Commands,
    Finding,
    Heading,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
)
from .stylesheet import CSS

MIME = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}

# What a page could do at worst, were a text to slip through unescaped: nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(report: Report) -> str:
    """The page."""
    summary = [section for section in report.sections if section.findings]
    body = [
        f"<h1>{words(report.title)}</h1>",
        f"<p>{words(report.introduction)}</p>",
        _summary(summary) if summary else "",
        _contents([section for section in report.sections if not section.findings]),
        *(_section(section) for section in report.sections),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{plain(report.title)}</title>",
            f"<style>{CSS}</style>",
            "</head>",
            "<body>",
            "<main>",
            *(part for part in body if part),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def plain(text: str) -> str:
    """Text for an element or an attribute: escaped, and each character that does not print (ends
    of lines, lone surrogates, marks that turn the direction of writing) replaced."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return html.escape(shown)


def words(text: str) -> str:
    """Text for an element, with loss terms such as ``L_SE`` as the paper sets them."""
    together = re.sub(r"(\d|±) (?=%|±|\d|seed|target|source)", r"\1&nbsp;", plain(text))
    return re.sub(r"\bL_([A-Za-z]+)", r"<i>L</i><sub>\1</sub>", together)


def _summary(sections: list[Section]) -> str:
    parts = ['<div class="summary">', "<h2>Findings</h2>"]
    for section in sections:
        parts += [f"<h3>{_link(section)}</h3>", _findings(section.headlines)]
    return "\n".join([*parts, "</div>"])


def _contents(sections: list[Section]) -> str:
    """Links to the sections that the summary does not name."""
    return f"<p>Below, too: {' · '.join(map(_link, sections))}</p>" if sections else ""


def _link(section: Section) -> str:
    return f'<a href="#{plain(section.anchor)}">{words(section.title)}</a>'


def _findings(findings: Sequence[Finding]) -> str:
    items = "\n".join(
        f"<li>{words(each.text)}{f' <b>{words(each.verdict)}.</b>' if each.verdict else ''}</li>"
        for each in findings
    )
    return f'<ul class="findings">\n{items}\n</ul>'


def _section(section: Section) -> str:
    parts = [
        f'<section class="experiment" id="{plain(section.anchor)}">',
        f"<h2>{words(section.title)}</h2>",
        _findings(section.findings) if section.findings else "",
        *(_block(block) for block in section.blocks),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, quiet):
            return f"<p{' class=quiet' if quiet else ''}>{words(text)}</p>"
        case Heading(text):
            return f"<h3>{words(text)}</h3>"
        case Commands(lines):
            return f"<pre>{chr(10).join(plain(line) for line in lines)}</pre>"
        case Table():
            return _table(block)
        case Pictures(pictures, wide):
            figures = "\n".join(_figure(picture) for picture in pictures)
            return f'<div class="pictures{" wide" if wide else ""}">\n{figures}\n</div>'


def _table(table: Table) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        parts = []
        for place, cell in enumerate(cells):
            kinds = ["words"] * (place < table.text_columns) + ["first"] * (place == 0)
            mark = f' class="{" ".join(kinds)}"' if kinds else ""
            parts.append(f"<{tag}{mark}>{words(cell)}</{tag}>")
        return "".join(parts)

    rows = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in table.rows)
    head = f"<thead><tr>{line(table.columns, 'th')}</tr></thead>\n" if any(table.columns) else ""
    return (
        f'<figure>\n<div class="table"><table>\n{head}<tbody>\n{rows}\n</tbody></table></div>\n'
        f"<figcaption>{words(table.caption)}</figcaption>\n</figure>"
    )


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.data).decode()
    kind = ' class="plot"' if picture.suffix == "svg" else ""
    image = (
        f'<img{kind} alt="{plain(picture.alt)}" src="data:{MIME[picture.suffix]};base64,{data}">'
    )
    caption = f"<figcaption>{words(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{image}{caption}</figure>"
