"""The report as Markdown, with its pictures as files in a folder beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ..system.files import replacing
from .blocks import Block, Commands, Finding, Heading, Paragraph, Picture, Pictures, Report, Table
from .page import plain


def write(report: Report, path: Path) -> None:
    """Writes the file, and its pictures below a folder of the same name without suffix.

    Raises:
        ValueError: the path has no suffix, so the folder would be in its way.
    """
    if not path.suffix:
        raise ValueError(f"--markdown {path} needs a suffix, such as {path.name}.md")
    pictures: dict[str, bytes] = {}
    text = render(report, path.stem, pictures)
    folder = path.with_suffix("")
    for name, data in pictures.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(data)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(report: Report, folder: str, pictures: dict[str, bytes]) -> str:
    """The text.

    Args:
        report: what to write.
        folder: that the pictures will lie in, relative to the text.
        pictures: filled with their content by file name.
    """
    parts = [f"# {_text(report.title)}", _text(report.introduction)]
    found = [section for section in report.sections if section.findings]
    if found:
        parts.append("## Findings")
    for section in found:
        parts += [f"**{_text(section.title)}**", _findings(section.headlines)]
    for section in report.sections:
        parts.append(f"## {_text(section.title)}")
        if section.findings:
            parts.append(_findings(section.findings))
        parts += [_block(block, folder, pictures) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _text(text: str) -> str:
    """Escaped for Markdown and for the HTML in it."""
    # Of HTML's escapes only those that Markdown needs, for whoever reads the source.
    escaped = plain(text).replace("&#x27;", "'").replace("&quot;", '"')
    marked = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", escaped)
    return re.sub(r"\bL\\_([A-Za-z]+)", r"L<sub>\1</sub>", marked)


def _findings(findings: Sequence[Finding]) -> str:
    return "\n".join(
        f"- {_text(each.text)}{f' **{_text(each.verdict)}.**' if each.verdict else ''}"
        for each in findings
    )


def _block(block: Block, folder: str, pictures: dict[str, bytes]) -> str:
    match block:
        case Paragraph(text):
            return _text(text)
        case Heading(text):
            return f"### {_text(text)}"
        case Commands(lines):
            # Indented, not fenced: no line can end it.
            return "\n".join("    " + _one_line(line) for line in lines)
        case Table():
            return _table(block)
        case Pictures(found):
            # Without captions they stand side by side where there is room.
            between = "\n\n" if any(each.caption for each in found) else "\n"
            return between.join(_picture(each, folder, pictures) for each in found)


def _table(table: Table) -> str:
    marks = ["---" if i < table.text_columns else "---:" for i in range(len(table.columns))]
    lines = [table.columns, *table.rows]
    cells = [f"| {' | '.join(_text(cell) for cell in line)} |" for line in lines]
    rows = "\n".join([cells[0], f"|{'|'.join(marks)}|", *cells[1:]])
    return f"{rows}\n\n{_text(table.caption)}"


def _picture(picture: Picture, folder: str, pictures: dict[str, bytes]) -> str:
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", picture.name)
    name = f"{stem}.{picture.suffix}"
    number = 2
    while name in pictures:
        name, number = f"{stem}-{number}.{picture.suffix}", number + 1
    pictures[name] = picture.data
    # Plots have the width of the page's panels; photographs their own.
    width = ' width="400"' if picture.suffix == "svg" else ""
    image = f'<img src="{quote(folder)}/{name}" alt="{plain(picture.alt)}"{width}>'
    return f"{image}\n\n{_text(picture.caption)}" if picture.caption else image


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
