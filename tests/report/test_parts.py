"""Tables and plots: the numbers they hold."""

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.experiments import paper
from ddan_torchreid.report import results, score_parts, style, training_parts
from ddan_torchreid.report.blocks import Paragraph, Pictures, Table
from ddan_torchreid.report.feature_plots import read_embedding
from ddan_torchreid.report.pictures import Folder
from tests.report.sample import ROWS, TARGETS, record, table5, write


def experiment_of(folder, records):
    return next(iter(results.load(write(folder, records)).experiments.values()))


def tables(blocks):
    return [block for block in blocks if isinstance(block, Table)]


def test_the_papers_numbers_stand_beside_real_targets(tmp_path):
    scores = {name: {"rank-1": 0.5, "std": {"rank-1": 0.02}} for name in paper.TARGETS}
    records = [record(row=row, scores=scores, domains="real") for row in ROWS]
    blocks = score_parts.scores(experiment_of(tmp_path, records))
    table = tables(blocks)[0]
    assert table.columns == (
        ["row"] + [word for name in paper.TARGETS for word in (name, "paper")] + ["mean", "paper"]
    )
    assert table.rows[0] == [
        "L_IDE", "50.0", "41.4", "50.0", "30.8", "50.0", "38.1", "50.0", "66.2", "50.0", "44.1",
    ]  # fmt: skip
    notes = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert any("over a run's splits, mean over the runs: viper 2.0, prid 2.0" in n for n in notes)


def test_on_drawn_domains_only_the_papers_means_do_and_it_is_said(tmp_path):
    table = tables(score_parts.scores(experiment_of(tmp_path, table5())))[0]
    assert table.columns == ["row", "snow", "night", "mean", "paper, real data"]
    assert table.rows[0] == ["L_IDE", "20.6 ± 0.3", "30.6 ± 0.3", "25.6 ± 0.3", "44.1"]
    assert "only the order of the rows compares" in table.caption


def test_failed_runs_are_counted_with_their_reason(tmp_path):
    records = [*table5(), record(row="similarity", seed=3, scores={}, failed="not finite")]
    blocks = score_parts.scores(experiment_of(tmp_path, records))
    (note,) = (block.text for block in blocks if isinstance(block, Paragraph))
    assert note == f"{ROWS['similarity'][0]}: 1 of 3 runs have no scores (not finite)."


def test_a_row_looks_the_same_everywhere():
    alone = style.row_styles(["ddan"])["ddan"]
    for keys, key in (
        (["baseline", "ddan"], "ddan"),
        (["identity", "triplet", "alignment", "similarity"], "similarity"),
        (["without", "with"], "with"),
        (["classic-baseline", "classic-ddan"], "classic-ddan"),
    ):
        assert style.row_styles(keys)[key]["color"] == alone["color"]
    both = style.row_styles(["triplet", "in_bn_triplet"])
    assert both["triplet"]["color"] == both["in_bn_triplet"]["color"]
    assert both["triplet"]["linestyle"] != both["in_bn_triplet"]["linestyle"]


def test_rows_of_one_plot_can_be_told_apart():
    for keys in (
        ["baseline", "ddan", "in_bn_baseline", "in_bn_ddan"],
        ["a", "b", "c", "d", "e", "pairwise"],
        [f"L_DA-{weight}" for weight in range(11)],
        [f"k-{k}" for k in (0, 1, 2, 4, 8, 16, 32)] + [f"tau-{t:g}" for t in (2e-3, 2e-2, 0.2)],
    ):
        looks = {
            (each["color"], str(each["linestyle"])) for each in style.row_styles(keys).values()
        }
        assert len(looks) == len(keys)


def test_mathematics_in_a_name_is_text():
    assert style.mathtext("L_SE, $x$") == r"$L_{\mathrm{SE}}$, \$x\$"
    assert "\\" not in style.mathtext("\\frac{1}")


def test_ranked_results_are_drawn_from_the_data_root(tmp_path):
    root = tmp_path / "data"
    (root / "rendered-tiny").mkdir(parents=True)
    for name in ("q.png", "g.png", "h.png"):
        Image.new("RGB", (8, 16), "green").save(root / "rendered-tiny" / name)
    ranked = {TARGETS[0]: [{"query": "q.png", "gallery": [["g.png", 1], ["h.png", 0]]}]}
    records = [record(row=row, rankings=ranked) for row in ROWS]
    images = Folder(root)
    experiment = experiment_of(tmp_path / "out", records)
    blocks = training_parts.ranked_results(experiment, Folder(tmp_path / "out"), images)
    (pictures,) = (block.pictures for block in blocks if isinstance(block, Pictures))
    # The first and the last row, side by side.
    assert [each.alt for each in pictures] == [
        f"{ROWS[row][0]}: query 1, right, wrong" for row in ("identity", "similarity")
    ]
    assert images.left_out == []


@pytest.mark.parametrize(
    "arrays",
    [
        {"xy": np.zeros((3, 2)), "domain": np.zeros(3)},
        {"xy": np.zeros((3, 2)), "domain": np.zeros(2), "names": np.array(["a"])},
        {"xy": np.full((3, 2), np.nan), "domain": np.zeros(3), "names": np.array(["a"])},
        {"xy": np.zeros((3, 2)), "domain": np.zeros(3), "names": np.array([])},
        {"xy": np.zeros((3, 2)), "domain": np.zeros(3), "names": np.array([object()])},
    ],
)
def test_an_embedding_of_another_form_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError):
        read_embedding(tmp_path / "x.npz")
