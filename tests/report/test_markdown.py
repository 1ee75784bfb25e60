"""The Markdown version and the pictures beside it."""

import re

import pytest

from ddan_torchreid.report import markdown
from ddan_torchreid.report.blocks import (
    Commands,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Table,
)


def of(*blocks):
    return Report("Title", "Introduction", [Section("Section", "section", (), blocks)])


def picture(name, caption=""):
    return Picture(b"data", "svg", name, "what it shows", caption)


def test_pictures_lie_beside_the_text_under_the_names_it_gives(tmp_path, whole_report):
    path = tmp_path / "docs" / "results.md"
    markdown.write(whole_report, path)
    text = path.read_text()
    named = re.findall(r'<img src="(results/[^"]+)"', text)
    assert len(named) > 20
    assert len(named) == len(set(named))
    found = {f"results/{each.name}" for each in (path.parent / "results").iterdir()}
    assert found == set(named)
    for section in whole_report.sections:
        assert f"\n## {section.title.replace('L_SE', 'L<sub>SE</sub>')}\n" in text


def test_tables_stay_tables(table5_report):
    text = markdown.render(table5_report, "x", {})
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "| L<sub>IDE</sub> | 20.6 ± 0.3 | 30.6 ± 0.3 |" in text


def test_what_would_be_markup_is_escaped():
    hostile = "<script>a|b`c`*d*_e_ [f](http://g) #h ~i~ $j$ \\"
    table = Table(("a", hostile), [["b", hostile]], hostile)
    text = markdown.render(of(Paragraph(hostile), table, Commands([f"x\n```\n{hostile}"])), "x", {})
    written = "&lt;script&gt;a\\|b\\`c\\`\\*d\\*\\_e\\_ \\[f\\](http://g) \\#h \\~i\\~ \\$j\\$ \\\\"
    assert text.count(written) == 4
    command = next(line for line in text.splitlines() if line.startswith("    x"))
    assert "```" in command
    assert command.endswith("\\")


def test_names_of_pictures_stay_inside_their_folder(tmp_path):
    report = of(Pictures([picture("../../a"), picture("..//..//a", "two"), picture("<b>/.c")]))
    markdown.write(report, tmp_path / "text.md")
    names = sorted(each.name for each in (tmp_path / "text").iterdir())
    assert names == ["-a-2.svg", "-a.svg", "-b-c.svg"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["text", "text.md"]


def test_a_file_without_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs a suffix, such as results.md"):
        markdown.write(of(), tmp_path / "results")
