"""The printed tables against numbers worked out by hand."""

import csv
import io

import numpy as np
import pytest

from ddan_torchreid.experiments.summary import paired, summarise


def record(experiment, row, seed, scores, domains="real", **more):
    """Scores in percent, by target: rank-1 and mAP."""
    return {
        "experiment": experiment, "row": row, "label": row.upper(), "seed": seed,
        "domains": domains, "targets": list(scores) or ["viper", "prid", "grid", "ilids"],
        "scores": {
            target: {"rank-1": one / 100, "rank-5": 1.0, "rank-10": 1.0, "mAP": ap / 100}
            for target, (one, ap) in scores.items()
        },
        "steps": 18, "seconds": 2.5, "machine": "a machine", **more,
    }  # fmt: skip


def scores(first, ap=50.0):
    targets = ("viper", "prid", "grid", "ilids")
    return {target: (first + place, ap) for place, target in enumerate(targets)}


def lines(text, start):
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


def test_mean_and_deviation_over_seeds_stand_above_the_papers_number():
    records = [
        record("table5", "triplet", 1, scores(40)),
        record("table5", "triplet", 2, scores(44)),
    ]
    text, table = summarise("table5", records)
    deviation = np.std([40, 44], ddof=1)
    assert lines(text, "TRIPLET")[0] == (
        f"| TRIPLET | 42.0 ± {deviation:.1f} | 43.0 ± 2.8 | 44.0 ± 2.8 | 45.0 ± 2.8 | 43.5 ± 2.8 |"
    )
    assert lines(text, "— the paper's") == ["| — the paper's | 47.2 | 46.4 | 45.3 | 72.3 | 52.8 |"]
    assert "2 runs, seeds 1 to 2, 18 steps each, 5 s" in text
    rows = list(csv.DictReader(io.StringIO(table)))
    (first,) = (r for r in rows if (r["target"], r["metric"]) == ("prid", "rank-1"))
    assert [float(first[key]) for key in ("mean", "std", "seeds", "paper")] == [
        43, pytest.approx(deviation, abs=1e-4), 2, 46.4,
    ]  # fmt: skip
    assert {row["metric"] for row in rows} == {"rank-1", "rank-5", "rank-10", "mAP"}


def test_differences_are_paired_by_seed_and_target():
    a = [record("table5", "triplet", seed, scores(40 + seed)) for seed in (1, 2, 4)]
    b = [record("table5", "alignment", seed, scores(41 + 2 * seed, 60)) for seed in (2, 1, 3)]
    np.testing.assert_allclose(paired(a, b, "rank-1"), [[2] * 4, [3] * 4])
    text, _ = summarise("table5", a + b)
    found = lines(text, "alignment - triplet | rank-1")
    # Each target of a seed differs alike, so both intervals reach from one seed to the other.
    assert found == ["| alignment - triplet | rank-1 | +2.50 | +2.12 to +2.88 | +2.00 to +3.00 |"]
    assert len(lines(text, "alignment - triplet | mAP | +10.00 | +10.00 to +10.00")) == 1


def test_one_seed_has_no_interval():
    records = [record("table5", row, 1, scores(40)) for row in ("identity", "triplet")]
    text, _ = summarise("table5", records)
    assert lines(text, "triplet - identity | rank-1") == [
        "| triplet - identity | rank-1 | +0.00 | - | - |"
    ]


def test_drawn_targets_do_not_stand_beside_the_papers():
    drawn = {"rendered_snow": (30.0, 20.0), "rendered_night": (20.0, 40.0)}
    text, _ = summarise("table1", [record("table1", "ddan", 1, drawn, "rendered")])
    assert lines(text, "rank-1 (%) | snow | night | mean")
    assert lines(text, "DDAN")[0] == "| DDAN | 30.0 | 20.0 | 25.0 |"
    head, _, paper = text.partition("The paper's numbers, for the real datasets:")
    assert "52.3" not in head
    assert "| DDAN | 52.3 | 54.5 | 50.6 | 78.5 | 59.0 |" in paper
    assert "ranks 2 and 6" in text


def test_targets_of_their_own_have_tables_of_their_own():
    records = [
        record("protocol", f"protocol2-{target}-{row}", 1, {target: (30.0, 20.0)})
        for target in ("market1501", "cuhk03")
        for row in ("baseline", "ddan")
    ]
    text, _ = summarise("protocol", records)
    assert lines(text, "rank-1 (%) | market1501 | mean")
    assert lines(text, "rank-1 (%) | cuhk03 | mean")
    assert lines(text, "protocol2-cuhk03-ddan - protocol2-cuhk03-baseline | rank-1")


def test_a_failed_run_is_said_and_not_counted():
    records = [
        record("figure3", "k-0", 1, scores(40)),
        record("figure3", "tau-2e-05", 1, {}, failed="loss_similarity is inf"),
    ]
    text, _ = summarise("figure3", records)
    assert (
        lines(text, "TAU-2E-05")[0] == "| TAU-2E-05 | failed | failed | failed | failed | failed |"
    )
    assert "TAU-2E-05, seed 1, failed: loss_similarity is inf." in text
    assert not lines(text, "tau-2e-05 - k-0")


def test_table_2_has_sums_the_pairwise_row_and_the_centre():
    names = ["rendered_plaza", "rendered_film"]
    matrix = [[0, 0.5], [0.5, 0]]
    records = [
        record(
            "table2", "baseline", seed, {}, "rendered",
            distances={"names": names, "matrix": matrix, "self": [0.1, 0.2], "central": centre},
        )
        for seed, centre in ((1, names[1]), (2, names[1]), (3, names[0]))
    ]  # fmt: skip
    moved = {"names": names, "to_baseline": [0.3, 0.4]}
    records.append(record("table2", "pairwise", 1, {}, "rendered", distances=moved))
    text, _ = summarise("table2", records)
    assert "| plaza | 0.000 | 0.500 | 0.500 | 0.100 |" in text
    assert "| All domains | 0.300 | 0.400 | 0.700 |  |" in text
    assert "film (2 of 3), plaza (1 of 3)" in text
    assert "| cuhksysu | 0.87 | 0.72 | 1.20 | 1.10 | 0.00 | 3.89 |" in text
