"""``ddan-torchreid evaluate``: splits, files and what is refused."""

import errno
import json
import os
import shutil

import pytest
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.evaluation import evaluation_loop
from ddan_torchreid.system import memory
from tests.commands.refused import refused
from tests.other_run import OtherRun
from tests.small_data import CONFIG

MODEL = ["model.name", "ddan_mobilenetv2_x0_35", "data.height", "32", "data.width", "16"]


@pytest.fixture
def words(bare_weights, real_root, tmp_path):
    return [
        *("evaluate", "--config-file", "ddan", "--weights", str(bare_weights)),
        *("-s", "market1501", "cuhksysu", "-t", "ilids", "--root", str(real_root), *MODEL),
        *("data.workers", "0", "data.save_dir", str(tmp_path / "log")),
    ]


def test_splits_are_scored_and_written(words, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*words, "--splits", "2", "--legacy-metrics", "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "=> ilids: 2 splits" in printed
    assert "| legacy rank-5" in printed
    content = json.loads((out / "results.json").read_text())
    assert len(content["targets"]["ilids"]["splits"]) == 2
    # The same splits again, from the file; without a folder the tables are in save_dir.
    assert main([*words, "--splits-from", str(out / "splits")]) == 0
    again = json.loads((tmp_path / "log" / "evaluation" / "results.json").read_text())
    assert again["targets"]["ilids"]["sha256"] == content["targets"]["ilids"]["sha256"]
    assert again["mean"]["rank-1"] == content["mean"]["rank-1"]
    assert "legacy rank-1" not in again["mean"]


def test_an_output_that_cannot_be_written_is_refused_before_the_work(words, tmp_path, capsys):
    out = tmp_path / "out"
    out.touch()
    said = refused([*words, "--splits", "2", "--output", out], capsys)
    assert said == f"--output {out} cannot be made: File exists; write another one"
    assert not (tmp_path / "log").exists()


def test_tables_are_printed_before_they_are_written(words, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(evaluation_loop, "write_results", full)
    assert main([*words, "--splits", "2"]) == 1
    printed = capsys.readouterr()
    assert "| ilids" in printed.out
    assert "No space left on device" in printed.err


def test_a_configuration_asks_for_splits_of_torchreid_too(words, tmp_path):
    keys = ["ddan.evaluation_splits", "3", "ddan.splits_from", "torchreid", "loss.name", "softmax"]
    assert main([*words, *keys]) == 0
    content = json.loads((tmp_path / "log" / "evaluation" / "results.json").read_text())
    assert content["targets"]["ilids"]["origin"] == "torchreid's splits.json"
    assert len(content["targets"]["ilids"]["splits"]) == 3


def test_without_splits_it_is_torchreids_test(words, tmp_path, capsys):
    other = OtherRun(tmp_path / "log")  # a training, beside which its checkpoints may be tested
    assert main(words) == 0
    other.end()
    printed = capsys.readouterr().out
    assert "##### Evaluating ilids (target) #####" in printed
    assert "Rank-20" in printed


@pytest.fixture
def own_words(small_root, bare_weights):
    """Writes a listing of synthetic images, one for each person and camera; returns its test."""

    def write(folder, *more):
        columns = ("path", "pid", "camid", *more)
        rows = []
        for image in sorted((small_root / "mall" / "bounding_box_train").glob("*_*_0*")):
            person, camera, _ = image.stem.split("_")
            first = not any(row["pid"] == person for row in rows)
            split = "query" if first else "gallery"
            rows.append({"path": str(image), "pid": person, "camid": camera, "split": split})
        assert {row["split"] for row in rows} == {"query", "gallery"}
        lines = [",".join(row[column] for column in columns) for row in rows]
        (folder / "shop.csv").write_text("\n".join([",".join(columns), *lines]))
        return [
            *("evaluate", "--config-file", CONFIG, "--dataset", f"shop={folder / 'shop.csv'}"),
            *("-t", "shop", "-s", "market1501", "--root", str(folder)),
            *("--weights", str(bare_weights), *MODEL),
            *("data.workers", "0", "data.save_dir", str(folder / "log")),
        ]

    return write


@pytest.mark.parametrize("split", [(), ("split",)], ids=["no splits", "query and gallery"])
@pytest.mark.parametrize("more", [(), ("--splits", "1"), ("loss.name", "softmax")])
def test_own_data_are_scored_without_the_sources(own_words, tmp_path, capsys, split, more):
    assert main([*own_words(tmp_path, *split), *more]) == 0
    printed = capsys.readouterr().out
    assert "Evaluating shop (target)" in printed or "=> shop: 1 splits" in printed
    assert "data.targets: ['shop']" in printed
    assert "Testing without the sources" in printed


def test_another_listing_of_the_same_name_is_read_anew(own_words, tmp_path):
    assert main(own_words(tmp_path)) == 0
    (tmp_path / "other").mkdir()
    words = own_words(tmp_path / "other", "split")
    (tmp_path / "shop.csv").unlink()
    assert main(words) == 0


def test_a_source_that_nobody_knows_is_absent(own_words, tmp_path, capsys):
    words = own_words(tmp_path)
    assert main([*words, "-s", "market1502", "cuhksysu", "ddan.weight_identity", "0.0"]) == 0
    assert "data.sources: ['market1502', 'cuhksysu']" in capsys.readouterr().out
    said = refused([*words, "-s", "market1502", "-t", "market1503"], capsys)
    assert "data.targets: 'market1503' is unknown; did you mean 'market1501'?" in said
    # A target that is known and missing is named, not what stands in for the source.
    said = refused([*words, "-s", "market1502", "-t", "grid"], capsys)
    assert "dataset grid is not under the data root" in said
    assert "data.targets is empty" in refused([*words, "data.targets", "[]"], capsys)


TRAINING_ONLY = {
    "one source with alignment": ["-s", "market1501"],
    "no source": ["data.sources", "[]"],
    "a source twice": ["-s", "market1501", "market1501"],
    "a target that is trained on": ["-s", "ilids", "market1501", "data.combineall", "True"],
    "keys": [
        *("ddan.central_domain", "nowhere", "ddan.temperature", "0.0", "ddan.top_k", "100000"),
        *("ddan.weight_identity", "0.0", "ddan.weight_triplet", "0.0", "ddan.cuda_graphs", "on"),
        *("ddan.dropout", "1.5", "data.k_tfm", "2", "sampler.train_sampler", "none"),
        *("train.lr", "-1.0", "train.optim", "none", "train.batch_size", "63"),
    ],
}


@pytest.mark.parametrize("options", TRAINING_ONLY.values(), ids=TRAINING_ONLY)
def test_nothing_is_refused_that_matters_to_training_only(words, options, capsys):
    assert main([*words, *options]) == 0, capsys.readouterr().err
    assert "Evaluating ilids" in capsys.readouterr().out


@pytest.mark.parametrize("loss", ["ddan", "softmax"])
def test_no_name_of_a_query_costs_its_picture_or_the_run(words, loss, tmp_path):
    rows = ["path,pid,camid,split"]
    names = [b"0001_c1_\xff.png", "0002_c1_人.png".encode()]
    for person in (1, 2):
        for camera, split in ((1, "query"), (2, "gallery")):
            path = tmp_path / "csv" / f"{person}{camera}" / "same.png"
            folder = tmp_path / "folder" / {"query": "query", "gallery": "bounding_box_test"}[split]
            path.parent.mkdir(parents=True)
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 16), (90 * person, 60 * camera, 0)).save(path)
            name = names[person - 1].replace(b"_c1", f"_c{camera}".encode())
            shutil.copy(path, os.path.join(os.fsencode(folder), name))
            rows.append(f"{person}{camera}/same.png,{person},{camera},{split}")
    (tmp_path / "csv" / "rows.csv").write_text("\n".join(rows))
    own = ("--dataset", f"a={tmp_path}/csv/rows.csv", "--dataset", f"b={tmp_path}/folder")
    keys = ["test.visrank", "True", "test.ranks", "[1]", "loss.name", loss]
    assert main([*words, *own, "-t", "a", "b", *keys]) == 0
    pictures = {name: os.listdir(tmp_path / "log" / f"visrank_{name}") for name in "ab"}
    assert sorted(pictures["a"]) == ["11_same.jpg", "21_same.jpg"]
    expected = [os.fsdecode(name).replace(".png", ".jpg") for name in names]
    assert sorted(pictures["b"]) == sorted(expected)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--splits", "-1"], "evaluation_splits=-1"),
        (["--splits", "2", "--splits-seed", "-1"], "splits_seed=-1"),
        (["--splits", "2", "test.visrank", "True"], "visrank False"),
        (["--output", "out"], "--splits 10"),
        (["--splits-from", "nowhere"], "nowhere"),
        (["--splits", "11", "--splits-from", "torchreid"], "10 or fewer"),
        (["--splits", "2", "ddan.evaluator", "cython"], "write one of ddan, torchreid"),
        (["ddan.splits_from", "torchreid"], "evaluation_splits"),
    ],
)
def test_what_is_refused(words, more, says, capsys):
    assert says in refused([*words, *more], capsys)


@pytest.mark.parametrize("more", [(), ("--splits", "2"), ("loss.name", "softmax")])
def test_reranking_without_its_memory_is_refused_before_scoring(words, more, monkeypatch, capsys):
    monkeypatch.setattr(memory, "available", lambda: 1000)
    assert main([*words, *more, "test.rerank", "True"]) == 2
    output = capsys.readouterr()
    assert "60 queries and 60 gallery images of ilids" in output.err
    assert output.err.count("\n") == 1
    assert "Evaluating" not in output.out
