"""The last section says no more than the records hold."""

# ruff: noqa: RUF001 - the report prints multiplication signs

from ddan_torchreid.report import results
from ddan_torchreid.report.blocks import Paragraph, Table
from ddan_torchreid.report.limits import limits
from tests.report.sample import (
    ROWS,
    SOURCES,
    explained,
    others,
    record,
    searched,
    table5,
    with_in_bn,
    write,
)


def section(tmp_path, records, reported=("table5",)):
    return limits(results.load(write(tmp_path, records)), list(reported))


def texts(tmp_path, records, **keywords):
    blocks = section(tmp_path, records, **keywords).blocks
    return [block.text for block in blocks if isinstance(block, Paragraph)]


def steps(tmp_path, gains):
    """The last column of the table, for three seeds or more with these gains in points."""
    records = [
        record(row=row, seed=seed, rank1=0.2 + 0.01 * gain[seed - 1])
        for row, gain in zip(ROWS, gains, strict=True)
        for seed in range(1, len(gain) + 1)
    ]
    (table,) = (b for b in section(tmp_path, records).blocks if isinstance(b, Table))
    return {line[0]: line[1:] for line in table.rows}


def test_each_step_is_confirmed_not_shown_or_opposite(tmp_path):
    found = steps(tmp_path, [[0] * 5, [4] * 5, [3, 5, 4, 5, 3], [1] * 5])
    # The paper's means over four targets: 44.125, 52.8, 55.7 and 58.975; in all 14.85.
    assert found["L_Triplet added"] == ["+8.7", "+4.0", "+4.0 to +4.0", "confirmed"]
    assert found["L_DA added"][0] == "+2.9"
    assert found["L_DA added"][-1] == "not shown"
    assert found["L_SE added"][-1] == "opposite"
    assert found["All terms against L_IDE alone"][0] == "+14.9"


def test_the_paper_has_no_steps_with_in_bn(tmp_path):
    (table,) = (
        b for b in section(tmp_path, with_in_bn(explained())).blocks if isinstance(b, Table)
    )
    assert len(table.rows) == 4
    assert not any("IN/BN" in line[0] for line in table.rows)


def test_few_seeds_confirm_nothing(tmp_path):
    found = steps(tmp_path, [[0] * 4, [4] * 4, [2] * 4, [2] * 4])
    assert (
        found["L_Triplet added"][-1]
        == "not shown: the same direction, but too few seeds to conclude"
    )
    assert (
        found["L_DA added"][-1]
        == "not shown: the opposite direction, but too few seeds to conclude"
    )
    assert steps(tmp_path, [[0], [4], [2], [2]])["L_DA added"][-1] == "not shown: one seed"


def test_the_intervals_are_counted_with_what_chance_gives(tmp_path):
    said = texts(tmp_path, table5())
    # Four differences in two metrics; a twentieth of eight.
    assert any(t.startswith("The tables of paired differences have 8 intervals.") for t in said)
    assert any("0.4 of them would leave out zero by chance" in text for text in said)
    assert any("that takes two seeds" in text for text in texts(tmp_path, table5((1,))))
    assert any("that takes two seeds" in text for text in texts(tmp_path, table5(), reported=()))


def test_images_sizes_seeds_and_targets(tmp_path):
    counts = {"sources": {"a": [10, 100], "b": [1200, 4000]}}
    said = texts(tmp_path, [*table5(), *others(tmp_path), record("protocol", "x", counts=counts)])
    assert said[0].startswith("The pedestrians are drawn, not photographed.")
    assert said[1] == (
        "Sources: plaza, mall, film. They have 1,210 identities and 4,100 images. Images: 32 × 16 "
        "pixels. Networks: ddan_mobilenetv2_x0_35."
    )
    assert "2 seeds × 2 targets in Table 5" in said[2]
    assert "1 seed × 2 targets in Table 2" in said[2]


def test_photographs_and_targets_among_the_sources(tmp_path):
    scores = {SOURCES[0]: {"rank-1": 0.5}}
    said = texts(tmp_path, [record(domains="real", scores=scores)])
    assert not any("drawn, not photographed" in text for text in said)
    assert "No target that is not a source was scored." in said


def test_what_the_runs_start_from(tmp_path):
    def started(**config):
        each = record()
        each["options"]["initial_weights"] = config.pop("weights", "")
        each["config"]["model"] |= config
        return [text for text in texts(tmp_path, [each]) if "start from" in text]

    same = ", the same for all seeds, so no interval has the spread over pretrainings in it."
    assert started(weights="pretrain") == [
        f"All runs start from weights pretrained on other drawn domains instead of ImageNet{same}"
    ]
    assert started(weights="/a/b.pth") == [f"All runs start from the weights of b.pth{same}"]
    assert started(pretrained=True) == [f"All runs start from ImageNet weights{same}"]
    assert started(pretrained=False) == [
        "All runs start from random weights, drawn anew for each seed."
    ]
    assert started() == []


def test_whether_settings_were_searched(tmp_path):
    assert texts(tmp_path, table5())[-1].startswith("No search of settings is recorded here")
    said = texts(tmp_path, [*table5(), *searched()])
    assert said[-1].startswith("3 settings were tried on other targets. The scores of the search")
    same = searched()
    for each in same:
        each["digest"] = each["digest"].replace("da-5", "da-1")
    said = texts(tmp_path, [*table5(), *same])
    assert said[-1].startswith("2 settings were tried")
    assert any(text.startswith("Some runs start from weights pretrained") for text in said)


def test_how_well_the_sources_were_learnt_is_said(tmp_path):
    records = table5((1, 2))
    for each in records:
        accuracy = 20.0 + 10 * list(ROWS).index(each["row"]) + each["seed"]
        each |= {"steps": 690, "curves": {"epoch": [1, 2], "acc": [5.0, accuracy]}}
    labels = [label for label, *_ in ROWS.values()]
    (said,) = (text for text in texts(tmp_path, records) if "identity head" in text)
    assert f"right in 21.5 % ({labels[0]}) to 51.5 % ({labels[-1]})" in said
    assert "after 690 steps" in said
    records[0]["steps"] = 230
    (said,) = (text for text in texts(tmp_path, records) if "identity head" in text)
    assert "after 230 to 690 steps" in said
