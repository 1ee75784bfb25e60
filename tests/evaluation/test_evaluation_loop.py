"""A training run whose tests follow the splits of the benchmark."""

import json

import pytest

from ddan_torchreid.evaluation import evaluate_protocol


@pytest.fixture
def engine(small_engine, real_root):
    options = {
        "data.root": str(real_root),
        "data.targets": "['viper', 'snow']",
        "ddan.evaluation_splits": "2",
        "train.max_epoch": "1",
    }
    return small_engine(*[word for pair in options.items() for word in pair])


def test_the_final_test_follows_the_splits(engine, tmp_path):
    save_dir = tmp_path / "log"
    engine.run(save_dir=str(save_dir), max_epoch=1, print_freq=1)
    expected = evaluate_protocol(engine.model, engine.datamanager, splits=2)
    assert {name: each.ranks for name, each in engine.scores.items()} == {
        name: each.ranks for name, each in expected.scores.items()
    }
    written = json.loads((save_dir / "evaluation" / "results.json").read_text())
    assert set(written["targets"]) == {"viper", "snow"}
    assert (save_dir / "model" / "model-best.pth.tar").is_file()
