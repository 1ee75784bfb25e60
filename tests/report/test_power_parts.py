"""The table on power, against numbers worked out by hand."""

import pytest

from ddan_torchreid.experiments.statistics import power
from ddan_torchreid.report import power_parts, results
from ddan_torchreid.report.blocks import Paragraph, Table
from tests.report.sample import record, table5, write

# Rank-1 gains of the second row in points, by seed; the first row's own are 0, 2 and 4.
GAINS = (1.0, 2.0, 6.0)


def paired(**changes):
    return [
        record(row=row, seed=seed, rank1=0.2 + 0.02 * seed + 0.01 * gain, **changes)
        for seed, second in enumerate(GAINS, start=1)
        for row, gain in (("identity", 0.0), ("triplet", second))
    ]


def blocks_of(tmp_path, records):
    experiment = results.load(write(tmp_path, records)).experiments["table5"]
    return power_parts.powers(experiment)


def test_spreads_and_what_the_seeds_show(tmp_path):
    _, table, *notes = blocks_of(tmp_path, paired())
    assert isinstance(table, Table)
    # Sd of 22, 24, 26 is 2; of 1, 2, 6 it is sqrt(7).
    expected = power([[gain] for gain in GAINS])
    assert table.rows == [
        ["L_Triplet added", "3", "2.00", "2.65", f"{expected.smallest:.2f}", str(expected.needed)]
    ]
    # Seeds 3: chi-squared quantiles of 2 degrees of freedom, 0.0506 and 7.378.
    (note,) = notes
    assert "lies between 0.52 and 6.3 times it" in note.text


def test_common_initial_weights_are_said(tmp_path):
    options = {"scale": "tiny", "initial_weights": "/some/where/start.pth.tar"}
    notes = [b.text for b in blocks_of(tmp_path, paired(options=options)) if type(b) is Paragraph]
    assert notes[-1].startswith("All seeds start from the same initial weights (start.pth.tar)")


def test_more_seeds_than_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("ddan_torchreid.experiments.statistics.MOST_SEEDS", 4)
    monkeypatch.setattr("ddan_torchreid.report.power_parts.MOST_SEEDS", 4)
    _, table, *_ = blocks_of(tmp_path, paired())
    assert table.rows[0][-1] == "> 4"


@pytest.mark.parametrize("records", [[record()], table5(seeds=(1,))])
def test_nothing_is_said_of_one_row_or_one_seed(tmp_path, records):
    assert blocks_of(tmp_path, records) == []
