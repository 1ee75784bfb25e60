"""docs/results.md is what `report` makes of the committed records, and nothing else."""

import re
from pathlib import Path

import pytest

from ddan_torchreid.cli import main

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "results.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a page that was made from the records just now."""
    folder = tmp_path_factory.mktemp("docs")
    page = folder / "results.md"
    assert main(["report", str(DOCS / "results"), "--brief", "--markdown", str(page)]) == 0
    return folder


def test_no_number_in_it_was_typed(made):
    assert PAGE.read_text(encoding="utf-8") == (made / "results.md").read_text(encoding="utf-8")


def test_its_pictures_are_those_of_the_records(made):
    used = set(re.findall(r'<img src="results/([^"]+)"', PAGE.read_text(encoding="utf-8")))
    assert used
    assert used == {path.name for path in (made / "results").iterdir()}
    assert used == {path.name for path in (DOCS / "results").iterdir()} - {"results.jsonl"}
