"""``ddan-torchreid report``: its files and its one-line refusals."""

import pytest

from ddan_torchreid.cli import main
from tests.report.sample import record, write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "results", [record(curves={}), record(row="triplet", curves={})])


def test_the_page_lies_in_the_folder_unless_told_otherwise(folder, tmp_path, capsys):
    assert main(["report", str(folder)]) == 0
    page = folder / "report.html"
    assert capsys.readouterr().out == f"Report: {page}\n"
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert main(["report", str(folder), "--output", str(tmp_path / "new" / "a.html")]) == 0
    assert (tmp_path / "new" / "a.html").read_bytes() == page.read_bytes()


def test_markdown_alone_and_beside_the_page(folder, tmp_path):
    text = tmp_path / "docs" / "results.md"
    assert main(["report", str(folder), "--markdown", str(text)]) == 0
    assert text.read_text().startswith("# DDAN")
    assert not (folder / "report.html").exists()
    both = ["--markdown", str(text), "--output", str(tmp_path / "a.html")]
    assert main(["report", str(folder), *both]) == 0
    assert (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere has no results.jsonl; give the --output folder"),
        (["{folder}", "--root", "nowhere"], "--root: there is no folder nowhere"),
        (["{folder}", "--output", "{folder}"], "is a folder; name the file to write"),
        (["{folder}", "--markdown", "{folder}/text"], "needs a suffix, such as text.md"),
        (["{folder}", "--markdwon", "x"], "did you mean '--markdown'?"),
        ([], "the following arguments are required: DIR"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, words, says, capsys):
    assert main(["report", *(word.format(folder=folder) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ddan-torchreid: error: ")
    assert error.count("\n") == 1
    assert says in error


def test_a_damaged_record_is_one_line(folder, capsys):
    with (folder / "results.jsonl").open("a") as file:
        file.write("no record\n")
    assert main(["report", str(folder)]) == 2
    assert "line 3 is no JSON object" in capsys.readouterr().err
