"""The options of a configuration do what the arguments of the protocol do."""

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


def test_pictures_of_ranked_results_are_not_of_several_splits(model, manager, tmp_path):
    with pytest.raises(ValueError, match="visrank"):
        evaluate_configured(
            model, manager, DDANSettings(evaluation_splits=2), tmp_path, visrank=True
        )
