"""What is trained for a row, and when two rows are the same run."""

from pathlib import Path

import pytest

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.data import rendered
from ddan_torchreid.experiments import plan, records, rows, runner
from ddan_torchreid.experiments.ablation import ABLATION
from ddan_torchreid.experiments.runs import Options, find_domains

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def shipped(name):
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file(name))
    return config


@pytest.mark.parametrize("row", ABLATION)
def test_the_rows_of_table_5_are_the_shipped_configurations(row):
    base = shipped("ddan_mobilenetv2")
    (found,) = (each for each in rows.rows("table5", base, 100) if each.key == row)
    plan._change(base, found.changes)
    assert plan.digest(base, {}) == plan.digest(shipped(f"table5_{row}"), {})


def test_the_in_bn_and_pairwise_rows_are_the_shipped_configurations():
    for experiment, row, name in (
        ("table1", "in_bn_ddan", "ddan_mobilenetv2_in_bn"),
        ("table3", "pairwise", "table3_pairwise"),
    ):
        base = shipped("ddan_mobilenetv2")
        (found,) = (each for each in rows.rows(experiment, base, 100) if each.key == row)
        plan._change(base, found.changes)
        assert plan.digest(base, {}) == plan.digest(shipped(name), {})


def test_rows_of_several_experiments_share_their_training(options):
    def folder(experiment, row, **changes):
        return plan.make(options(experiment, **changes)).job_of(row, 1).folder

    ddan = folder("table1", "ddan")
    assert folder("table5", "similarity") == ddan
    assert folder("figure2", "similarity") == ddan
    assert folder("table4", "with") == ddan
    assert folder("figure3", "tau-0.002") == ddan
    assert folder("table2", "baseline") == folder("table5", "triplet")
    assert folder("table3", "rendered_film") == folder("table5", "alignment")
    assert folder("table1", "in_bn_ddan") == folder("table5", "in_bn_similarity", in_bn=True)
    assert folder("figure3", "k-0") != ddan
    assert folder("sampler", "similarity") == ddan
    assert folder("sampler", "similarity-torchreid") != ddan


def test_what_changes_the_result_changes_the_digest(options, tmp_path):
    def digest(**changes):
        return plan.make(options(rows=["similarity"], **changes)).job_of("similarity", 1).digest

    (tmp_path / "weights").write_bytes(b"one")
    other = [
        digest(),
        digest(pairs=["train.lr", "0.001"]),
        digest(average_last=1),
        digest(targets="validation"),
        digest(initial_weights="pretrain"),
        digest(initial_weights="pretrain", pretrain_epochs=1),
        digest(initial_weights=str(tmp_path / "weights")),
    ]
    (tmp_path / "weights").write_bytes(b"another")
    other.append(digest(initial_weights=str(tmp_path / "weights")))
    assert len(set(other)) == len(other)
    same = ["data.workers", "1", "train.print_freq", "7", "use_gpu", "False", "train.lr", "0.003"]
    same += ["ddan.keep_checkpoints", "1"]
    assert digest(pairs=same, jobs=2, seeds=3) == other[0]


def test_a_row_wins_over_the_pairs_and_the_pairs_over_the_scale(options):
    made = plan.make(options(pairs=["ddan.weight_similarity", "0.7", "data.height", "48"]))
    weights = [made.job_of(row, 1).config.ddan.weight_similarity for row in ABLATION]
    assert weights == [0, 0, 0, 0.7]
    assert made.job_of("triplet", 1).config.data.height == 48
    assert made.job_of("triplet", 1).config.data.width == 16


def test_runs_go_seed_by_seed(options):
    made = plan.make(options(seeds=2, rows=["triplet", "similarity"]))
    order = [(run.seed, run.row.key) for run in made.runs]
    assert order == [(1, "triplet"), (1, "similarity"), (2, "triplet"), (2, "similarity")]
    assert {run.job.config.train.seed for run in made.runs if run.seed == 2} == {2}


def test_pretraining_sees_none_of_the_other_domains(options):
    made = plan.make(options("table1", initial_weights="pretrain", seeds=2))
    jobs = list(made.pretraining.values())
    assert [job.config.model.name for job in jobs] == [
        "ddan_mobilenetv2_x0_35", "ddan_mobilenetv2_in_bn_x0_35",
    ]  # fmt: skip
    for job in jobs:
        used = {*job.config.data.sources, *job.config.data.targets}
        assert used == set(rendered.PRETRAINING)
        others = (rendered.SOURCES, rendered.VALIDATION, rendered.TARGETS, rendered.MORE_TARGETS)
        assert not used & {name for group in others for name in group}
        assert job.config.ddan.weight_adversarial == job.config.ddan.weight_similarity == 0
        assert job.config.ddan.weight_triplet == 0
    for run in made.runs:
        weights = Path(run.job.config.model.load_weights)
        assert weights.parent in [job.folder for job in jobs]
        assert ("in_bn" in run.row.key) == (weights.parent == jobs[1].folder)


def test_tuning_looks_at_validation_domains_only(options):
    made = plan.make(options(targets="validation"))
    assert {tuple(run.job.config.data.targets) for run in made.runs} == {rendered.VALIDATION}


def test_a_row_that_is_compared_brings_the_other_along(options):
    made = plan.make(options("table4", rows=["with"]))
    assert [run.row.key for run in made.runs] == ["without", "with"]


def test_k_beyond_the_smallest_source_is_left_out(options, capsys):
    made = plan.make(options("figure3"))
    assert [run.row.key for run in made.runs][:5] == ["k-0", "k-1", "k-2", "k-4", "tau-2e-05"]
    assert "k = 8 is left out: a source has only 6 identities" in capsys.readouterr().out


def test_a_cpu_trains_in_every_precision(options):
    with pytest.warns(UserWarning, match="'fp16' takes many times as long"):
        made = plan.make(options("precision", pairs=["data.width", "32"]))
    assert {run.row.key: run.job.config.ddan.amp for run in made.runs} == {
        "float32": "off", "bfloat16": "bf16", "float16": "fp16",
    }  # fmt: skip


def test_precision_on_a_cpu_needs_images_that_pytorch_can_train_on(options):
    with pytest.raises(ValueError, match="write data.height 64 data.width 32$"):
        plan.make(options("precision"))


def test_every_other_precision_is_compared_with_float32(monkeypatch, capsys):
    base = shipped("ddan_mobilenetv2")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    keys = [row.key for row in rows.rows("precision", base, 100)]
    assert rows.pairs("precision", keys) == [("float32", "bfloat16"), ("float32", "float16")]
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: False)
    assert [row.key for row in rows.rows("precision", base, 100)] == ["float32", "float16"]
    assert "bfloat16 is left out: this GPU does not compute in bfloat16" in capsys.readouterr().out


def test_a_network_without_in_bn_has_no_such_rows(options, capsys):
    words = ["model.name", "ddan_osnet_x0_25", "model.pretrained", "False"]
    made = plan.make(options("table1", pairs=words))
    assert [run.row.key for run in made.runs] == ["baseline", "ddan"]
    with pytest.raises(ValueError) as error:
        plan.make(options(in_bn=True, pairs=words))
    assert "has no IN/BN variant" in str(error.value)


def test_real_domains_are_taken_where_they_are(real_root, tiny_root):
    assert find_domains(tiny_root) == "rendered"
    assert find_domains(real_root) == "real"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": "tabel5"}, "did you mean 'table5'"),
        ({"seeds": 0}, "--seeds 0 must be a whole number, 1 or more"),
        ({"average_last": -1}, "--average-last -1"),
        ({"domains": "real", "targets": "validation"}, "needs --domains rendered"),
        ({"domains": "real", "initial_weights": "pretrain"}, "model.pretrained True"),
        ({"experiment": "protocol"}, "--domains real"),
    ],
)
def test_what_cannot_be_is_refused(tiny_root, tmp_path, changes, message):
    chosen = {"experiment": "table5", "domains": "rendered", **changes}
    with pytest.raises(ValueError) as error:
        Options(root=tiny_root, output=tmp_path, **chosen)
    assert message in str(error.value)


def test_an_unknown_row_and_a_missing_file_are_refused(options):
    with pytest.raises(ValueError) as error:
        plan.make(options(rows=["triplett"]))
    assert "did you mean 'triplet'" in str(error.value)
    with pytest.raises(FileNotFoundError) as missing:
        plan.make(options(initial_weights="nowhere.pth"))
    assert "nowhere.pth" in str(missing.value)


def test_rows_and_pairs_that_change_other_things_share_the_pretraining(options):
    jobs = {}
    for experiment in ("table3", "figure3", "search"):
        pairs = ["train.lr", "0.1", "ddan.top_k", "2", "train.max_epoch", "5"]
        chosen = options(experiment, initial_weights="pretrain", pretrain_epochs=2, pairs=pairs)
        jobs |= plan.make(chosen).pretraining
    assert [job.config.model.name for job in jobs.values()] == [
        "ddan_mobilenetv2_x0_35", "ddan_mobilenetv2_in_bn_x0_35",
    ]  # fmt: skip
    for job in jobs.values():
        train = job.config.train
        assert (train.lr, train.max_epoch, job.config.ddan.top_k) == (0.1, 2, 3)


def test_a_search_never_sees_the_reported_targets(options, tiny_root, tmp_path):
    made = plan.make(options("search"))
    assert {tuple(run.job.config.data.targets) for run in made.runs} == {rendered.VALIDATION}
    with pytest.raises(ValueError) as error:
        Options("search", tiny_root, tmp_path, domains="real")
    assert "search needs --domains rendered" in str(error.value)


def test_a_search_compares_each_setting_with_the_baseline_of_its_kind(options):
    runs = {run.row.key: run.job.config for run in plan.make(options("search")).runs}
    found = rows.pairs("search", list(runs))
    baselines = {"triplet", "fast-triplet", "in_bn_fast-triplet"}
    assert {before for before, _ in found} == baselines
    assert {after for _, after in found} == set(runs) - baselines - {"in_bn_triplet"}
    for before, after in found:
        first, second = runs[before], runs[after]
        assert first.model.name == second.model.name
        assert first.train.new_layers == second.train.new_layers or "optimiser" in after
        assert first.ddan.weight_adversarial == first.ddan.weight_similarity == 0


def test_a_failed_run_that_is_scored_again_keeps_who_trained_it(options):
    made = plan.make(options())
    folder = made.options.output
    folder.mkdir()
    run = made.runs[0]
    line = dict(
        zip(("experiment", "row", "seed", "digest"), runner._identity(made, run), strict=True)
    )
    earlier = {"git": {"commit": "earlier"}, "finished": "2025-01-01T00:00:00"}
    records.append(folder, line | earlier)
    assert runner._made_by(made, run, rescored=True).keys() == {*earlier, "rescored"}
    records.append(folder, line | earlier | {"failed": "diverged"})
    assert runner._made_by(made, run, rescored=True) == earlier
    assert runner._made_by(made, run, rescored=False)["finished"] > earlier["finished"]
