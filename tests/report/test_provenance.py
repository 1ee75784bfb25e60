"""The commands that make the records anew."""

from ddan_torchreid.report import provenance, results
from tests.report.sample import record, searched, write

START = "ddan-torchreid experiment"


def commands(tmp_path, records):
    (experiment,) = results.load(write(tmp_path, records)).experiments.values()
    return provenance.commands(experiment)


def test_every_option_is_in_the_command_and_pairs_end_it(tmp_path):
    (only,) = commands(tmp_path, searched())
    assert only == (
        f"{START} search --root DATA --output DIR --seeds 3 --domains rendered --scale tiny "
        "--initial-weights pretrain --targets validation --pretrain-epochs 5 train.lr 0.05"
    )


def test_defaults_are_not_in_the_command(tmp_path):
    options = {"scale": "small", "average_last": 3, "initial_weights": "", "targets": "targets"}
    options |= {"pretrain_epochs": None, "pairs": []}
    (plain,) = commands(tmp_path, [record(options=options)])
    assert plain == (
        f"{START} table5 --root DATA --output DIR --seeds 1 --domains rendered --scale small "
        "--average-last 3"
    )


def test_rows_of_several_commands_have_a_line_each(tmp_path):
    options = {"scale": "tiny", "pairs": ["ddan.margin", "0.5"]}
    first, second = commands(
        tmp_path,
        [record(seed=seed) for seed in (1, 2)]
        + [record(row=row, options=options) for row in ("triplet", "in_bn_triplet")],
    )
    assert first == (
        f"{START} table5 --root DATA --output DIR --seeds 2 --domains rendered --rows identity "
        "--scale tiny"
    )
    assert second == (
        f"{START} table5 --root DATA --output DIR --seeds 1 --domains rendered "
        "--rows triplet,in_bn_triplet --in-bn --scale tiny ddan.margin 0.5"
    )


def test_a_part_of_the_rows_is_named(tmp_path):
    """As when a table was made with --rows: places 0 and 3 are all that there is."""
    records = [record(row=row, place=place) for row, place in (("identity", 0), ("similarity", 3))]
    (only,) = commands(tmp_path, records)
    assert "--rows identity,similarity " in only


def test_older_records_without_new_options_are_of_the_same_command(tmp_path):
    new = record(seed=2)
    new["options"] |= {"targets": "targets", "pretrain_epochs": None, "pairs": []}
    assert len(commands(tmp_path, [record(), new])) == 1


def test_a_note_says_where_pairs_are_only_where_they_are_not_recorded(tmp_path):
    def noted(records):
        found = results.load(write(tmp_path, records))
        blocks = provenance.what_was_run(found, {"search": "S", "table5": "T"}).blocks
        return any("KEY VALUE" in getattr(block, "text", "") for block in blocks)

    assert noted([record()])
    assert not noted(searched())
