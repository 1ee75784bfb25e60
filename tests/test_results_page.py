"""The pages of results are what `report` makes of the committed records, and nothing else."""

import re
from pathlib import Path

import pytest

from ddan_torchreid.cli import main

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("results", "results_short")


@pytest.fixture(scope="module", params=PAGES)
def page(request, tmp_path_factory):
    """Name of a page, and the folder in which it was made from its records just now."""
    folder = tmp_path_factory.mktemp("docs")
    name = request.param
    arguments = ["report", str(DOCS / name), "--brief", "--markdown", str(folder / f"{name}.md")]
    assert main(arguments) == 0
    return name, folder


def test_no_number_in_it_was_typed(page):
    name, made = page
    committed = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert committed == (made / f"{name}.md").read_text(encoding="utf-8")


def test_its_pictures_are_those_of_the_records(page):
    name, made = page
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    used = set(re.findall(rf'<img src="{name}/([^"]+)"', text))
    assert used
    assert used == {path.name for path in (made / name).iterdir()}
    assert used == {path.name for path in (DOCS / name).iterdir()} - {"results.jsonl"}
