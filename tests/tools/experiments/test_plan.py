"""What is trained for a row, and when two rows are the same run."""

import json
from pathlib import Path

import pytest
from experiments import conditions, photographs, plan

from ddan_torchreid.integration import builder
from tests import miniatures, msmt17
from tests.data.datasets import roots
from tests.tools.experiments.conftest import TINY


@pytest.fixture(scope="module")
def every_root(real_root, tmp_path_factory):
    """The nine miniatures, one of MSMT17 and one of CUHK01's name."""
    root = tmp_path_factory.mktemp("every")
    for folder in real_root.iterdir():
        (root / folder.name).symlink_to(folder)
    msmt17.write_msmt17(root)
    return root


@pytest.fixture
def make(tiny_root, tmp_path):
    """Runs of a tiny study."""

    def runs(experiment, *pairs, **changes):
        changes = {"root": tiny_root, "output": tmp_path, "seeds": 1} | changes
        pairs = [*TINY, "ddan.central_domain", "cuhksysu", *pairs]
        return plan.make(plan.Options(experiment, pairs=pairs, **changes))

    return runs


@pytest.mark.parametrize("experiment", conditions.EXPERIMENTS)
def test_every_row_is_a_configuration_that_works(experiment, every_root, tmp_path):
    """Over the paper's own, on all that it names; plan.make checks names, values and folders."""
    runs = plan.make(plan.Options(experiment, every_root, tmp_path, seeds=1))
    keys = [run.row.key for run in runs]
    assert len(set(keys)) == len(keys)
    for run in runs:
        assert not set(run.config.data.sources) & set(run.config.data.targets)
        assert run.config.train.max_epoch == 100
    for a, b in conditions.pairs(keys):
        assert {a, b} <= set(keys)


@pytest.mark.parametrize("name", ["protocol2", "protocol3"])
def test_a_protocol_leaves_its_target_out(name, every_root, tmp_path):
    everyone = {"cuhksysu", *conditions.LEAVE_ONE_OUT}
    for run in plan.make(plan.Options(name, every_root, tmp_path, seeds=1)):
        target = run.row.key.partition("-")[0]
        assert run.config.data.targets == [target]
        assert set(run.config.data.sources) == everyone - {target}
        assert run.config.data.combineall == (name == "protocol3")
    run.config.model.pretrained = False
    engine = builder.build(run.config)
    assert list(engine.test_loader) == ["cuhk03"]
    people = {"protocol2": 8 + 6 + 40, "protocol3": 14 + 10 + 40}[name]
    assert engine.datamanager.num_train_pids == people


def test_the_terms_are_added_one_after_the_other(make):
    weights = [
        [run.config.ddan[f"weight_{term}"] for term in ("triplet", "adversarial", "similarity")]
        for run in make("table5")
    ]
    assert weights == [[0, 0, 0], [1, 0, 0], [1, 0.18, 0], [1, 0.18, 0.05]]
    assert [run.config.ddan.neck for run in make("table5")] == ["none", "bn", "bn", "bn"]


def test_rows_of_several_experiments_share_their_training(make):
    def folder(experiment, row):
        return next(run.folder for run in make(experiment) if run.row.key == row)

    ddan = folder("table1", "ddan")
    for experiment, row in (
        ("table5", "similarity"), ("figure2", "similarity"), ("table4", "with"),
        ("figure3", "tau-0.002"), ("sampler", "similarity"),
    ):  # fmt: skip
        assert folder(experiment, row) == ddan, experiment
    assert folder("table2", "baseline") == folder("table5", "triplet")
    assert folder("table3", "cuhksysu") == folder("table5", "alignment")
    assert folder("figure3", "k-0") != ddan != folder("sampler", "similarity-torchreid")


def test_what_changes_the_result_changes_the_digest(make, tmp_path):
    def digest(*pairs, **changes):
        return make("table5", *pairs, rows=["similarity"], **changes)[0].digest

    first = digest()
    weights = tmp_path / "weights"
    weights.write_bytes(b"one")
    other = [first, digest("train.lr", "0.001"), digest("model.load_weights", str(weights))]
    weights.write_bytes(b"another")
    other.append(digest("model.load_weights", str(weights)))
    assert len(set(other)) == len(other)
    same = ["data.workers", "1", "train.print_freq", "7", "use_gpu", "False", "train.lr", "0.1"]
    assert digest(*same, seeds=3) == first


def test_runs_go_seed_by_seed_and_a_row_brings_what_it_is_compared_with(make):
    runs = make("table2", seeds=2, rows=["pairwise"])
    assert [(run.seed, run.row.key) for run in runs] == [
        (1, "baseline"), (1, "pairwise"), (2, "baseline"), (2, "pairwise"),
    ]  # fmt: skip
    assert [run.config.train.seed for run in runs] == [1, 1, 2, 2]


def test_a_row_wins_over_the_pairs(make):
    runs = make("table5", "ddan.weight_similarity", "0.7")
    assert [run.config.ddan.weight_similarity for run in runs] == [0, 0, 0, 0.7]


@pytest.fixture
def photographs_root(tmp_path):
    """As the study on photographs wants it, with images of nobody."""
    root = tmp_path / "photographs"
    for write in (
        miniatures.write_market1501, miniatures.write_viper, miniatures.write_prid,
        miniatures.write_grid, miniatures.write_ilids, roots.write_cuhk01,
    ):  # fmt: skip
        write(root)
    for name in photographs.OWN:
        (root / "own").mkdir(exist_ok=True)
        images = sorted((root / "market1501").rglob("bounding_box_train/*.jpg"))
        rows = [f"{path},{path.name[:4]},{path.name[6]}" for path in images]
        (root / "own" / f"{name}.csv").write_text("\n".join(["path,pid,camid", *rows]) + "\n")
    return root


def test_the_study_on_photographs_has_53_runs(photographs_root, tmp_path, monkeypatch):
    names = ["market1501", "cuhk01", *photographs.OWN]
    sums = {"names": names, "matrix": [[2], [1], [3], [4]], "central": "cuhk01"}
    monkeypatch.setattr(plan.features, "initial_distances", lambda config: sums)
    runs = plan.make(plan.Options("photographs", photographs_root, tmp_path / "out"))
    assert len(runs) == 53
    seeds = {}
    for run in runs:
        seeds.setdefault(run.row.key, []).append(run.seed)
        central = "towncentre" if run.row.key == "worst_central" else "cuhk01"
        assert run.config.ddan.central_domain == central
        assert run.config.data.combineall != run.row.key.startswith("held_out_")
        assert Path(run.datasets[0].partition("=")[2]).is_file()
    assert seeds["similarity_released"] == [1, 2, 3, 4, 5]
    assert seeds["in_bn_similarity"] == seeds["pairwise"] == [1, 2, 3]
    assert seeds["tau-0.02"] == [1, 2]
    assert seeds["held_out_identity"] == [1]
    assert json.loads((tmp_path / "out" / plan.CENTRAL).read_text())["names"] == sums["names"]
