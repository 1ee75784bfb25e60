"""The committed pages are what tools/report.py makes of the committed records, and nothing else."""

import re
from pathlib import Path

import pytest
import report

DOCS = Path(__file__).parents[3] / "docs"
LONGEST = {"photographs": 240}  # with each setting of its search
PAGES = sorted(path.parent.name for path in DOCS.glob("*/results.jsonl"))


@pytest.mark.parametrize("name", PAGES)
def test_no_number_in_a_page_was_typed(name, tmp_path):
    made = tmp_path / f"{name}.md"
    assert report.main([str(DOCS / name), "--markdown", str(made)]) == 0
    committed = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert committed == made.read_text(encoding="utf-8")
    shown = set(re.findall(rf"\({name}/([^)]+\.svg)\)", committed))
    assert shown == {path.name for path in (DOCS / name).glob("*.svg")}
    assert len(committed.splitlines()) <= LONGEST.get(name, 150)


def test_there_are_pages():
    assert "results" in PAGES
