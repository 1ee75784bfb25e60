"""The search of settings: what it cost, where, and that it is no evidence."""

import pytest

from ddan_torchreid.report import comparison, contents, results, search_parts
from ddan_torchreid.report.findings import findings
from tests.report.sample import SOURCES, record, searched, write


@pytest.fixture
def against_the_baseline(monkeypatch):
    def pairs(experiment, keys):
        return [("triplet", key) for key in keys if key != "triplet" and "triplet" in keys]

    monkeypatch.setattr(comparison, "pairs", pairs)


def loaded(tmp_path, records):
    return results.load(write(tmp_path, records))


def test_the_best_of_several_is_called_selection(tmp_path, against_the_baseline):
    found = loaded(tmp_path, searched())
    (only,) = findings(found.experiments["search"], found)
    assert only.text == (
        "Of 3 rows tried on validation domains, L_DA x 5 has the highest mean rank-1, 27.0 %, "
        "+5.0 points against L_IDE + L_Triplet (95 % CI +5.0 to +5.0, 3 seeds × 2 targets); "  # noqa: RUF001
        "the highest of several flatters itself:"
    )
    assert only.verdict == "selection, not evidence"


def test_only_rows_with_the_most_seeds_compete_for_the_highest(tmp_path, against_the_baseline):
    """The row tried once, with the easiest seed, has the highest mean and is not the best."""
    records = [each for each in searched() if each["row"] != "da-5" or each["seed"] == 3]
    found = loaded(tmp_path, records)
    (only,) = findings(found.experiments["search"], found)
    assert only.text.startswith(
        "Of 3 rows tried on validation domains, 2 were tried with 3 seeds and the others with "
        "fewer; of these, L_DA x 1 has the highest mean rank-1, 25.0 %, +3.0 points against"
    )
    captions = [block.caption for block in contents.report(found).sections[0].blocks
                if hasattr(block, "rows")]  # fmt: skip
    assert sum("over different runs: the paired" in caption for caption in captions) == 1
    # With one run each for two rows, nothing is left to compete.
    few = loaded(tmp_path, [each for each in records if each["row"] != "da-1"])
    assert findings(few.experiments["search"], few) == []


def test_what_it_cost_and_on_which_domains(tmp_path):
    found = loaded(tmp_path, [*searched(), record()])
    (cost,) = search_parts.cost(found.experiments["search"], found)
    assert cost.text.startswith("3 settings were tried in 9 runs, 4.5 hours of training")
    assert "harbour, arcade: validation domains that are neither sources nor reported" in cost.text
    assert search_parts.cost(found.experiments["table5"], found) == []


@pytest.mark.parametrize("where", ["sources", "targets"])
def test_a_domain_that_was_no_validation_domain_is_named(tmp_path, where):
    reported = record(**{where: ["rendered_arcade", SOURCES[0]]})
    found = loaded(tmp_path, [*searched(), reported])
    (cost,) = search_parts.cost(found.experiments["search"], found)
    assert "of which arcade served as source or reported target too" in cost.text


def test_it_comes_first_and_has_its_differences(tmp_path, against_the_baseline):
    first, *_ = contents.report(loaded(tmp_path, [record(), *searched()])).sections
    assert first.anchor == "search-1"
    tables = [block for block in first.blocks if hasattr(block, "rows")]
    assert [line[:3] for line in tables[0].rows] == [
        ["L_DA x 1 against L_IDE + L_Triplet", "+3.0", "+3.0 to +3.0"],
        ["L_DA x 5 against L_IDE + L_Triplet", "+5.0", "+5.0 to +5.0"],
    ]
