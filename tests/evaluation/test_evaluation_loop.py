"""The options of a configuration do what the arguments of the protocol do, in a training too."""

import json

import pytest

from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.evaluation import as_json, evaluate_configured, evaluate_protocol
from tests.evaluation.conftest import build_manager


def test_every_option_is_used(model, real_root, tmp_path, capsys):
    manager = build_manager(real_root, ["viper"])
    settings = DDANSettings(
        evaluation_splits=2,
        splits_seed=3,
        viper_a_to_b=True,
        legacy_metrics=True,
        evaluator="torchreid",
        bad_images="skip",
    )
    assert settings.follows_protocol
    # With arguments of Engine.test, of which some are not for us.
    arguments = {"dist_metric": "cosine", "save_dir": "log", "visrank": False, "ranks": [1, 3]}
    result = evaluate_configured(model, manager, settings, tmp_path, **arguments)
    assert "| viper " in capsys.readouterr().out
    assert json.loads((tmp_path / "results.json").read_text()) == as_json(result)
    expected = evaluate_protocol(
        model, manager, splits=2, seed=3, a_to_b=True, legacy_metrics=True, ranks=(1, 3)
    )
    target = result.targets["viper"]
    assert target.splits.sha256 == expected.targets["viper"].splits.sha256
    assert [each.ranks.keys() for each in target.scores] == [{1, 3}, {1, 3}]
    assert result.mean == pytest.approx(expected.mean)


def test_the_final_test_of_a_training_follows_the_splits(small_engine, real_root, tmp_path):
    pairs = ("data.root", str(real_root), "data.targets", "['viper', 'snow']")
    engine = small_engine(*pairs, "ddan.evaluation_splits", "2", "train.max_epoch", "1")
    save_dir = tmp_path / "log"
    engine.run(save_dir=str(save_dir), max_epoch=1, print_freq=1)
    expected = evaluate_protocol(engine.model, engine.datamanager, splits=2)
    assert {name: each.ranks for name, each in engine.scores.items()} == {
        name: each.ranks for name, each in expected.scores.items()
    }
    written = json.loads((save_dir / "evaluation" / "results.json").read_text())
    assert set(written["targets"]) == {"viper", "snow"}
    assert (save_dir / "model" / "model-best.pth.tar").is_file()
