"""The sentences that open the report, against numbers worked out by hand."""

# ruff: noqa: RUF001 - the report prints minus and multiplication signs

import pytest

from ddan_torchreid.report import results
from ddan_torchreid.report.findings import findings
from tests.report.sample import ROWS, SOURCES, others, record, table5, write


def said(tmp_path, records, name):
    found = results.load(write(tmp_path, records))
    return [
        f"{each.text} {each.verdict}".strip() for each in findings(found.experiments[name], found)
    ]


def test_each_step_of_table5_and_the_whole(tmp_path):
    whole, triplet, alignment, similarity, _ = said(tmp_path, table5(), "table5")
    # Seeds gain 4.2 and 4.4 points, on both targets alike.
    assert triplet == (
        "L_Triplet added: +4.3 points of mean rank-1, 95 % CI +4.2 to +4.4, 2 seeds × 2 targets: "
        "higher, but too few seeds to conclude"
    )
    assert "95 % CI −0.4 to −0.2, 2 seeds × 2 targets: lower, but" in alignment
    assert similarity.startswith("L_SE added: −2.0 points of mean rank-1, 95 % CI −2.0 to −2.0")
    assert whole.startswith("All terms against L_IDE alone: +2.0 points")


def test_seeds_that_disagree_show_no_difference(tmp_path):
    records = [
        record(row=row, seed=seed, rank1=0.3 + (0.05 if seed == 1 else -0.04) * (row == "triplet"))
        for seed in (1, 2)
        for row in ("identity", "triplet")
    ]
    (only,) = said(tmp_path, records, "table5")
    assert only.endswith("95 % CI −4.0 to +5.0, 2 seeds × 2 targets: no difference shown")


def test_one_seed_is_no_conclusion(tmp_path):
    *steps, discriminator = said(tmp_path, table5(seeds=(1,)), "table5")
    assert discriminator.endswith("1 seed: one seed, so no interval and no conclusion")
    for sentence in steps:
        assert "CI" not in sentence
        assert sentence.endswith("1 seed × 2 targets: one seed, so no interval and no conclusion")


def test_the_central_domain_and_the_noise_floor(tmp_path):
    first, second = said(tmp_path, others(tmp_path), "table2")
    assert first == (
        "Eq. 3 chooses film in 1 of 1 seed; the mean sum of film is 0.90, the next is mall's with "
        "1.30."
    )
    assert "to itself, between two halves of its sample, is 0.10 on average" in second
    assert second.endswith("the smallest distance between two domains is 0.40.")


def test_collapsed_features_choose_no_centre(tmp_path):
    zero = {"names": SOURCES, "matrix": [[0.0] * 3] * 3, "central": "rendered_film"}
    (only,) = said(tmp_path, [record("table2", "baseline", distances=zero)], "table2")
    assert only.startswith("All recorded distances are zero")


def test_the_chosen_centre_against_the_others_and_pairwise(tmp_path):
    ranks = dict(zip([*SOURCES, "pairwise"], (0.30, 0.34, 0.35, 0.36), strict=True))
    rows = [
        record("table3", row, seed, rank1 + 0.01 * seed)
        for seed in (1, 2)
        for row, rank1 in ranks.items()
    ]
    chosen, pairwise, spread = said(tmp_path, [*others(tmp_path), *rows], "table3")
    assert chosen.startswith(
        "film as the centre, which Eq. 3 chose, against the mean of 2 other centres: +3.0 points"
    )
    assert pairwise.startswith("film as the centre against pairwise alignment: −1.0 points")
    assert spread.startswith("Mean rank-1 goes from 36.5 % with rendered_plaza as the centre")
    # Without Table 2 nobody has chosen a centre, and nothing is claimed of it.
    assert said(tmp_path, rows, "table3") == [spread]


def test_triples_mended_and_broken(tmp_path):
    first, second = said(tmp_path, others(tmp_path), "table4")
    assert first.startswith(
        "L_SE mends the order of 9 image triples of 50 and breaks that of 4, mended minus broken: "
        "+10.0 % of the triples, 1 seed"
    )
    assert second.startswith("with L_SE against without L_SE: 0.0 points")


def test_distances_before_and_after(tmp_path):
    (only,) = said(tmp_path, others(tmp_path), "figure2")
    assert only.startswith(
        f"Sum of the distances between the sources: 1.80 under L_IDE, 0.90 under "
        f"{ROWS['similarity'][0]}: −50.0 %, 1 seed:"
    )


def test_sweeps_warn_of_the_best_of_several(tmp_path):
    off, highest = said(tmp_path, others(tmp_path), "figure3")
    assert off.startswith("k = 8, the paper's value, against k = 0, no L_SE: +3.0 points")
    assert "highest at k = 8 (28.0 %) and lowest at k = 0 (25.0 %)" in highest
    assert highest.endswith("so the gap flatters the best one.")


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "figure2", "figure3", "new"])
def test_an_experiment_without_its_parts_says_nothing(tmp_path, name):
    assert said(tmp_path, [record(name, "only")], name) == []
