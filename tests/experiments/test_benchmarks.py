"""The protocols on miniatures of the real datasets, and the counts that they insist on."""

import shutil
from pathlib import Path

import pytest

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.data.datasets import published
from ddan_torchreid.experiments import benchmarks, plan, records, runner
from ddan_torchreid.experiments.runs import Options
from ddan_torchreid.integration import builder
from tests import miniatures
from tests.experiments import msmt17

SMALL = [
    *("data.height", "32", "data.width", "16", "data.workers", "0", "use_gpu", "False"),
    *("model.name", "ddan_mobilenetv2_x0_35", "model.pretrained", "False"),
    *("train.max_epoch", "1", "train.batch_size", "24", "ddan.similarity_start_epoch", "0"),
]


@pytest.fixture(scope="module")
def benchmark_root(real_root, tmp_path_factory):
    """The nine miniatures and one of MSMT17."""
    root = tmp_path_factory.mktemp("benchmarks")
    for folder in real_root.iterdir():
        (root / folder.name).symlink_to(folder)
    msmt17.write_msmt17(root)
    return root


@pytest.fixture
def options(benchmark_root, tmp_path):
    def make(name, **changes):
        return Options(
            "protocol", benchmark_root, tmp_path / "out", protocol=name, pairs=SMALL, **changes
        )

    return make


def test_the_published_counts_add_up():
    five = ["cuhk02", "cuhk03", "market1501", "dukemtmcreid", "cuhksysu"]
    whole = [benchmarks.TRAINING[name][True] for name in five]
    assert [sum(column) for column in zip(*whole, strict=True)] == [18_530, 121_765]
    assert sum(benchmarks.TRAINING[name][False][1] for name in ("market1501", "cuhk03")) == 20_301
    for name in ("market1501", "dukemtmcreid"):
        parts = {part.split: part for part in published.DATASETS[name].parts}
        train = (parts["train"].persons, parts["train"].images)
        assert benchmarks.TRAINING[name][False] == train
        if name in benchmarks.TESTING:
            tests = (parts["query"].images, parts["gallery"].images)
            assert benchmarks.TESTING[name] == tests
    assert benchmarks.TESTING["cuhk03"] == tuple(
        published.CUHK03_DETECTED[part][0] for part in ("query", "gallery")
    )


@pytest.mark.parametrize("name", benchmarks.PROTOCOLS)
def test_each_protocol_is_a_shipped_configuration_with_its_counts(name):
    rows = benchmarks.protocol_rows(name)
    assert len(rows) == (6 if name.startswith("protocol") else 2)
    for row in rows:
        path = configuration.find_file(row.file)
        config = configuration.get_default_config()
        configuration.merge_file(config, path)
        assert not {*config.data.sources} & {*config.data.targets}
        sources, targets = benchmarks.expected(config)
        assert list(sources) == config.data.sources
        assert list(targets) == config.data.targets
        if name.startswith("protocol"):
            left_out = row.key.split("-")[1]
            assert config.data.targets == [left_out]
            everyone = {"market1501", "msmt17", "cuhksysu", "cuhk03"}
            assert {*config.data.sources} == everyone - {left_out}
            assert config.data.combineall == (name == "protocol3")
            head = path.read_text().split("model:")[0]
            for identities, images in sources.values():
                assert f"{identities:,} identities, {images:,} images" in head
            assert "{:,} query and {:,} gallery".format(*targets[left_out]) in head


@pytest.mark.parametrize("name", ["protocol2_cuhk03", "protocol3_market1501"])
def test_what_is_loaded_is_counted(benchmark_root, name):
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file(name))
    config.data.root, config.data.workers = str(benchmark_root), 0
    sources, targets = benchmarks.found(builder.build_datamanager(config))
    whole = name.startswith("protocol3")
    assert sources["msmt17"] == (msmt17.ALL if whole else msmt17.TRAIN)
    assert sources["cuhksysu"] == miniatures.SOURCES["cuhksysu"]
    if whole:
        assert sources["cuhk03"] == miniatures.SOURCES["cuhk03"]
    assert targets.keys() == {name.split("_")[1]}


def test_other_counts_stop_it_unless_they_are_allowed(options):
    with pytest.raises(ValueError) as error:
        plan.make(options("protocol2"))
    message = str(error.value)
    assert "\n" not in message
    expected = "msmt17: identities and images 1041 and 30248 expected, 6 and 24 found"
    assert expected in message
    assert "write --allow-other-counts" in message
    made = plan.make(options("protocol2", allow_other_counts=True))
    facts = made.facts["protocol2-market1501-ddan"]
    assert facts["counts"]["sources"]["msmt17"] == msmt17.TRAIN
    assert expected in facts["counts_differ"]


def test_published_counts_are_no_difference(benchmark_root, monkeypatch):
    config = configuration.get_default_config()
    configuration.merge_file(config, configuration.find_file("ddan_no_duke"))
    config.data.root, config.data.workers = str(benchmark_root), 0
    manager = builder.build_datamanager(config)
    assert benchmarks.differences(config, manager)
    small = {name: ((0, 0), counts) for name, counts in miniatures.SOURCES.items()}
    monkeypatch.setattr(benchmarks, "TRAINING", small)
    assert benchmarks.differences(config, manager) == ""


def test_an_unknown_protocol_and_a_missing_dataset_are_refused(options, benchmark_root, tmp_path):
    with pytest.raises(ValueError) as error:
        plan.make(options("protocol1"))
    assert "did you mean 'protocol" in str(error.value)
    (tmp_path / "root").mkdir()
    for folder in benchmark_root.iterdir():
        if folder.name != "msmt17":
            (tmp_path / "root" / folder.name).symlink_to(folder)
    chosen = options("protocol3")
    chosen.root = tmp_path / "root"
    with pytest.raises(FileNotFoundError) as missing:
        plan.make(chosen)
    assert "msmt17 is not under the data root" in str(missing.value)


def test_the_classic_protocol_runs_on_ten_splits(options, capsys):
    chosen = options("classic", allow_other_counts=True, rows=["classic-ddan"])
    (record,) = runner.run(chosen)
    assert record["protocol"] == "classic"
    assert record["domains"] == "real"
    assert record["sources"] == ["cuhk02", "cuhk03", "market1501", "dukemtmcreid", "cuhksysu"]
    assert record["counts"]["sources"]["cuhksysu"] == [40, 100]
    assert "12 and 84 found" in record["counts_differ"]
    for target, scores in record["scores"].items():
        assert scores.keys() == {*scores["std"], "std"}, target
        assert 0 <= scores["rank-1"] <= scores["mAP"] + 0.5
    assert records.read(chosen.output) == [record]
    assert "Other counts than the published ones" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no-duke", "protocol2", "protocol3"])
def test_the_other_protocols_run(options, name):
    found = runner.run(options(name, allow_other_counts=True))
    assert len(found) == len(benchmarks.protocol_rows(name))
    for record in found:
        assert list(record["scores"]) == record["targets"]
        shutil.rmtree(Path(options(name).output, record["run"]))


@pytest.mark.slow
def test_the_tables_run_on_real_domains_where_they_are(options, benchmark_root):
    chosen = options("classic", allow_other_counts=True)
    found = runner.run(
        Options(
            "table1", benchmark_root, chosen.output, pairs=SMALL, allow_other_counts=True,
            rows=["baseline", "ddan"],
        )
    )  # fmt: skip
    assert {record["domains"] for record in found} == {"real"}
    text = (chosen.output / "table1.md").read_text()
    assert "| — the paper's | 52.3 | 54.5 | 50.6 | 78.5 | 59.0 |" in text
