"""Pages from records that were made up."""

from pathlib import Path

import pytest
import report
from experiments import conditions
from experiments.report import tables

from tests.tools.experiments.sample import of_photographs, record, table5, write

DOCS = Path(__file__).parents[3] / "docs"


def page(folder, *more):
    """The page of a folder as text."""
    assert report.main([str(folder), *more]) == 0
    return (folder / "report.md").read_text(encoding="utf-8")


def row(text, label):
    """Cells of the first line of a table that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_scores_and_differences_are_those_of_the_records(tmp_path):
    text = page(write(tmp_path, table5()))
    # 24.6 and 25.2 on the first target, ten points more on the second.
    assert row(text, "triplet") == ["triplet", "24.9 ± 0.4", "34.9 ± 0.4", "29.9 ± 0.4", "2"]
    cells = row(text, "triplet against identity")
    # +4.2 and +4.4: Student's t interval of two values has a half width of 12.7 standard errors.
    assert cells[1:3] == ["+4.3", "+3.0 to +5.6"]
    assert cells[3] == "+4.2 to +4.4"
    assert float(cells[-1]) == pytest.approx(1.8, abs=0.2)
    assert "2, of 27 steps" not in text
    assert row(text, "runs")[1] == "8, of 27 steps each"
    assert row(text, "hours, summed over the runs")[1] == "4.0"


@pytest.mark.parametrize("name", ["unknown", *conditions.EXPERIMENTS])
def test_every_experiment_has_a_page(name, tmp_path):
    keys = {"table2": ["baseline", "pairwise"], "table4": ["without", "with"]}.get(name)
    keys = keys or ["k-0", "k-1", "k-8", "tau-0.2", "pairwise", "triplet", "in_bn_triplet"]
    found = [record(name, key, seed, place=0) for key in keys for seed in (1, 2)]
    for each in found:
        each["moved"] = dict.fromkeys(each["sources"], 0.25)
        each["triples"] = {"all": 50, "mended": 9, "broken": 4}
        if each["row"].startswith("k-"):
            each["config"] = each["config"] | {"ddan.top_k": int(each["row"][2:])}
    text = page(write(tmp_path, found))
    for path in (tmp_path / "report").iterdir():
        assert f"(report/{path.name})" in text
        assert path.read_text().startswith("<?xml")
    assert (tmp_path / "report" / f"{name}-differences.svg").exists()
    if name == "table2":
        assert row(text, "plaza")[1:] == ["0.00", "0.90", "0.50", "1.40", "0.10", "0 of 2"]
        assert row(text, "All domains")[1:5] == ["0.25", "0.25", "0.25", "0.75"]
    if name == "table4":
        assert row(text, "1")[1:] == ["50", "9", "4"]


def test_rows_with_other_targets_have_a_table_of_their_own(tmp_path):
    found = [
        record("protocol2", f"{name}-{row}", targets=[name], place=place)
        for place, (name, row) in enumerate((n, r) for n in "ab" for r in ("baseline", "ddan"))
    ]
    text = page(write(tmp_path, found))
    assert "| rank-1 | a | mean | seeds |" in text
    assert "| rank-1 | b | mean | seeds |" in text
    assert text.count("| b-ddan | 20.4 | 20.4 | 1 |") == 1


def test_a_gain_is_the_mean_over_targets_with_an_interval_over_seeds():
    # 1 and 3 points: half the interval is 12.7 standard errors of 1.
    found = [
        record(
            seed=seed,
            standardised={
                name: {"nothing": {"rank-1": 0.2}, "camera": {"rank-1": 0.2 + more}}
                for name, more in (("snow", 0.0), ("rain", 0.02 * seed))
            },
        )
        for seed in (1, 3)
    ]
    assert tables.gained([*found, record(seed=2)], "camera") == "+2.0 (-10.7 to +14.7)"


def test_the_same_records_make_the_same_files(tmp_path):
    first, second = (write(tmp_path / name, table5()) for name in "ab")
    assert page(first) == page(second)
    for path in (first / "report").iterdir():
        assert path.read_bytes() == (second / "report" / path.name).read_bytes()


def test_of_a_row_that_was_changed_the_newest_configuration_counts(tmp_path):
    older = record(row="triplet", rank1=0.9, digest="older")
    text = page(write(tmp_path, [older, *table5(), record(seed=3, scores={}, failed="diverged")]))
    assert row(text, "triplet")[1] == "24.9 ± 0.4"
    assert row(text, "identity")[-1] == "3"
    assert row(text, "failed")[1] == "identity, seed 3: diverged"


def test_the_page_on_photographs_takes_every_run_of_its_study(tmp_path):
    folder = write(tmp_path, of_photographs())
    (folder / "page.md.j2").write_text((DOCS / "photographs" / "page.md.j2").read_text())
    text = page(folder)
    assert row(text, "+ L_SE, released")[-1] == "5"
    assert row(text, "+ L_DA, IN/BN")[-1] == "3"
    assert row(text, "tau = 2e-4 against 2e-3")[-2] == "2"
    assert row(text, "Eq. 3's central domain against pairwise")[-2] == "3"
    assert row(text, "MetaBIN")[1] == "56.9 / 66.0"
    assert "ours: + L_SE, exact" in text
    assert row(text, "rank-1, held-out identities of")[1] == "plaza"
    assert len(text.splitlines()) <= 150


def test_a_folder_without_records_is_one_line(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"report.py: error: there are no records in {tmp_path}; name the folder of a study\n"
    )
