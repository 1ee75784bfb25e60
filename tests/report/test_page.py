"""The HTML page: complete in itself, escaped, and the same for the same input."""

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from ddan_torchreid.report import contents, markdown, page, results
from ddan_torchreid.report.blocks import Pictures, Table
from ddan_torchreid.report.limits import TITLE
from ddan_torchreid.report.stylesheet import CSS
from tests.report.sample import TARGETS, explained, others, record, with_in_bn, write

HOSTILE = "<script>alert(1)</script>\"'`| $x$ \\frac{ \u202e\ud800]]>&amp;"
VOID = {"meta", "img", "br"}


class Parsed(HTMLParser):
    """Every tag and attribute, the text between them, and whether all that opens is closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self._open = [], [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(report):
    return Parsed(page.render(report))


def test_all_parts_are_there(whole_report):
    titles = [section.title.partition(":")[0] for section in whole_report.sections]
    assert titles == [
        "Settings tried on validation domains", "Table 1", "Table 2", "Table 4", "Table 5",
        "Figure 2", "Figure 3", "What was run", TITLE,
    ]  # fmt: skip
    text = parsed(whole_report).text
    for words in (
        "Paired differences",
        "Distances between the sources",
        "t-SNE of the sources' features",
        "Image triples",
        "Curves of k and tau",
        "Losses and accuracies in training",
        "Ranked results",
        "Power",
        "Gradients of the terms on the mapping network",
        "Can the source be told from the features?",
        "Are the neighbours look-alikes?",
        "The steps of Table 5",
        "0123456789ab, with uncommitted changes",
        "ddan-torchreid experiment table5 --root DATA --output DIR --seeds 2 --domains rendered "
        "--scale tiny",
        "paper, real data",
        "nearest first",
    ):
        assert words in text


def test_nothing_is_fetched_and_nothing_runs(whole_report):
    found = parsed(whole_report)
    assert not {"script", "link", "iframe", "object", "svg", "form"} & set(found.tags)
    for tag, name, value in found.attributes:
        assert not name.startswith("on")
        if name == "src":
            assert tag == "img"
            assert re.match(r"data:image/(svg\+xml|jpeg|png);base64,", value)
        if name == "href":
            assert value.startswith("#")
    assert "url(" not in CSS
    assert "@import" not in CSS
    ids = [value for _, name, value in found.attributes if name == "id"]
    targets = {value[1:] for _, name, value in found.attributes if name == "href"}
    assert len(ids) == len(set(ids))
    assert targets <= set(ids)


def test_every_picture_has_words_for_it_and_every_plot_is_svg_with_text(whole_report):
    found = parsed(whole_report)
    alts = [value for tag, name, value in found.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == found.tags.count("img") > 20
    assert all(len(alt) > 5 for alt in alts)
    plots = [
        base64.b64decode(value.partition(",")[2])
        for _, name, value in found.attributes
        if name == "src" and "svg" in value[:20]
    ]
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert any(element.tag.endswith("}text") for element in root.iter())


def test_tables_have_as_many_cells_in_every_row(whole_report):
    html = page.render(whole_report)
    for table in re.findall(r"<table>.*?</table>", html, re.S):
        counts = {len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr>.*?</tr>", table)}
        assert len(counts) == 1


def test_a_report_of_table5_has_that_alone(table5_report):
    titles = [section.title.partition(":")[0] for section in table5_report.sections]
    assert titles == ["Table 5", "What was run", TITLE]
    text = parsed(table5_report).text
    assert "Few seeds, so their intervals are likely too narrow: Table 5." in text
    assert "t-SNE" not in text
    assert "Ranked results" not in text
    assert "left out" not in text


@pytest.mark.parametrize("render", [page.render, lambda report: markdown.render(report, "x", {})])
def test_reasons_within_in_bn_stand_in_their_section_alone(tmp_path, render):
    folder = write(tmp_path, with_in_bn(explained()))
    text = render(contents.report(results.load(folder), brief=True))
    found = [line for line in text.splitlines() if "the discriminator is right in" in line]
    # The rows with BN once in the opening and once in the section.
    assert [line.count("IN/BN") for line in found] == [0, 0, 1]


def test_the_same_input_gives_the_same_page(tmp_path):
    def render(folder):
        folder.mkdir()
        without_scores = [each | {"scores": {}} for each in others(folder)[3:5]]
        made = write(folder, [record(), *without_scores])
        return page.render(contents.report(results.load(made)))

    # Neither the folder nor the time is in it.
    first = render(tmp_path / "a")
    assert first == render(tmp_path / "b")
    assert str(tmp_path) not in first


def hostile_record():
    name = f"{TARGETS[0]}{HOSTILE}"
    scores = {name: {"rank-1": 0.2, "mAP": 0.3}, "../../x": {"rank-1": 0.2, "mAP": 0.3}}
    each = record(f"table5{HOSTILE}", f"row{HOSTILE}", label=HOSTILE, scores=scores)
    each |= {
        "sources": [HOSTILE],
        "targets": [HOSTILE],
        "machine": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
        "git": {"commit": HOSTILE, "dirty": HOSTILE},
        "finished": HOSTILE,
        "domains": HOSTILE,
        "command": HOSTILE,
        "options": {HOSTILE: HOSTILE},
        "ranking_picture": f"{HOSTILE}.png",
        "counts_differ": HOSTILE,
        "distances": {"names": [HOSTILE, "b"], "matrix": [[0, 1], [1, 0]]},
        "parameter": {"name": HOSTILE, "value": 1},
        "failed": HOSTILE,
        "protocol": HOSTILE,
    }
    each["config"] = {HOSTILE: {"lr": HOSTILE}, "model": {"name": HOSTILE}}
    return each


def test_everything_from_the_file_is_escaped(tmp_path):
    (tmp_path / "results.jsonl").write_text(json.dumps(hostile_record()) + "\n")
    report = contents.report(results.load(tmp_path))
    html = page.render(report)
    html.encode()
    found = Parsed(html)
    assert "script" not in found.tags
    assert "<script" not in html.lower()
    assert "<script>alert(1)</script>" in found.text
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    assert "\u202e" not in html
    for _, name, value in found.attributes:
        if name == "src" and "svg" in value[:20]:
            root = ElementTree.fromstring(base64.b64decode(value.partition(",")[2]))
            assert not any(element.tag.endswith("script") for element in root.iter())


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "<script>.png"])
def test_pictures_outside_are_named_and_not_embedded(tmp_path, path):
    folder = tmp_path / "out"
    folder.mkdir()
    others(tmp_path)
    (tmp_path / "ranking.png").rename(tmp_path / "secret.png")
    each = record("table1", "ddan", curves={}, ranking_picture=path, embedding={"file": path})
    report = contents.report(results.load(write(folder, [each])))
    assert report.sections[-1].title == "Files that are left out"
    found = parsed(report)
    assert path in found.text
    assert not any("jpeg" in value[:20] for _, name, value in found.attributes if name == "src")


def test_a_damaged_embedding_is_left_out(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no archive")
    each = record("figure2", "identity", curves={}, embedding={"file": "x.npz"})
    report = contents.report(results.load(write(tmp_path, [each])))
    assert "x.npz is no embedding that can be read" in parsed(report).text


def test_loss_terms_are_set_as_in_the_paper_and_units_stay_with_numbers():
    assert page.words("L_IDE + L_SE <3 seeds") == (
        "<i>L</i><sub>IDE</sub> + <i>L</i><sub>SE</sub> &lt;3&nbsp;seeds"
    )
    assert page.words("FULL_SE") == "FULL_SE"


def test_a_brief_report_has_the_tables_without_the_curves(tmp_path):
    loaded = results.load(write(tmp_path, explained()))
    whole, brief = (contents.report(loaded, brief=each) for each in (False, True))
    assert of_kind(whole, Table) == of_kind(brief, Table)
    names = [
        {each.name for block in of_kind(report, Pictures) for each in block.pictures}
        for report in (whole, brief)
    ]
    assert names[1] < names[0]
    assert {"table5-loss-id", "table5-acc-domain", "table5-rank-1", "table5-mAP"} <= names[
        0
    ] - names[1]
    assert {"table5-differences", "table5-gradients"} <= names[1]


def of_kind(report, kind):
    return [
        block for section in report.sections for block in section.blocks if isinstance(block, kind)
    ]
