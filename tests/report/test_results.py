"""Reading and checking results.jsonl."""

import json

import numpy as np
import pytest

from ddan_torchreid.report import results
from tests.report.sample import TARGETS, record, table5, write

NEIGHBOURS = {"k": 8, "identities": 20, "found": 0.5, "chance": 0.1}
ERASED = {"directions": 4, "variance": 0.1, "probe": 0.2}


def test_rows_seeds_targets_and_means(tmp_path):
    found = results.load(write(tmp_path, table5()))
    experiment = found.experiments["table5"]
    assert list(experiment.rows) == ["identity", "triplet", "alignment", "similarity"]
    assert experiment.seeds == [1, 2]
    assert experiment.targets == TARGETS
    row = experiment.rows["identity"]
    np.testing.assert_allclose(row.per_seed(TARGETS[1], "rank-1"), [30.4, 30.8])
    np.testing.assert_allclose(row.mean_per_seed("rank-1"), [25.4, 25.8])
    assert row.per_seed("elsewhere", "rank-1").size == 0


def test_records_of_another_configuration_are_counted_and_left_out(tmp_path):
    old = record(digest="before", rank1=0.9)
    found = results.load(write(tmp_path, [old, *table5()]))
    assert found.superseded == 1
    assert found.experiments["table5"].rows["identity"].mean_per_seed("rank-1").max() < 30


def test_rows_with_in_bn_follow_the_others(tmp_path):
    mixed = [record(row=row) for row in ("identity", "in_bn_identity", "triplet")]
    found = results.load(write(tmp_path, mixed))
    assert list(found.experiments["table5"].rows) == ["identity", "triplet", "in_bn_identity"]


def test_a_failed_run_has_no_scores_and_breaks_nothing(tmp_path):
    failed = record(row="triplet", scores={}, failed="L_SE is not finite")
    row = results.load(write(tmp_path, [record(), failed])).experiments["table5"].rows["triplet"]
    assert row.finished == []
    assert row.targets() == []
    assert row.mean_per_seed("rank-1").size == 0


def test_no_results(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no results\.jsonl; give the --output folder"):
        results.load(tmp_path)
    write(tmp_path, [])
    with pytest.raises(ValueError, match="has no finished run yet"):
        results.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"row": 3}, "'row' must be a text"),
        ({"seed": "1"}, "'seed' must be a whole number"),
        ({"seed": True}, "'seed' must be a whole number"),
        ({"targets": "viper"}, "'targets' must be a list of names"),
        ({"machine": 5}, "'machine' must be a text"),
        ({"scores": [1]}, "'scores' must be an object"),
        ({"scores": {"viper": 3}}, "'scores' of 'viper' must be an object"),
        ({"scores": {"viper": {"rank-1": "0.3"}}}, "'scores' of 'viper' must be numbers"),
        ({"scores": {"viper": {"std": {"mAP": None}}}}, "'scores' of 'viper' must be numbers"),
        ({"git": "abc"}, "'git' must be an object or null"),
        ({"seconds": "long"}, "'seconds' must be a number"),
        ({"config": {"ddan": 1}}, "'ddan' of 'config' must be an object"),
        ({"curves": {"epoch": [1], "acc": [1, 2]}}, "under 'acc'"),
        ({"curves": {"epoch": [None]}}, "under 'epoch'"),
        ({"rankings": {"viper": [{"query": "a", "gallery": [["b", 2]]}]}}, "gallery of [file, 0"),
        ({"distances": {"names": ["a"], "matrix": [[0, 1]]}}, "a row and a column for each name"),
        ({"distances": {"names": ["a"], "self": []}}, "'self' of 'distances'"),
        ({"distances": {"names": ["a"], "central": "b"}}, "'central' of 'distances'"),
        ({"triples": [{"anchor": "a.png"}]}, "a triple must have three pictures"),
        ({"triple_counts": {"triples": 1}}, "'triple_counts' must have whole numbers"),
        ({"config": {"model": "x"}}, "'model' of 'config' must be an object"),
        ({"config": {"train": {"batch_size": "x"}}}, "'batch_size' of 'train' in 'config' must be"),
        ({"config": {"ddan": {"central_domain": []}}}, "'central_domain' of 'config' must be a"),
        ({"curves": {"epoch": [1], "gradient_loss_id": ["1"]}}, "under 'gradient_loss_id'"),
        ({"options": {"pairs": "a b"}}, "'pairs' of 'options' must be a list"),
        ({"options": {"targets": 3}}, "'targets' of 'options' must be a text"),
        ({"options": {"pretrain_epochs": 1.5}}, "'pretrain_epochs' of 'options' must be a whole"),
        ({"domain_probe": {"accuracy": 0.5}}, "'domain_probe' must have fractions"),
        ({"central_probe": {}}, "'central_probe' must have fractions"),
        ({"erased": {"sources": {"directions": 4}}}, "'erased' must have 'directions', 'variance'"),
        ({"erased": {"sources": ERASED | {"scores": {"a": {"mAP": ""}}}}}, "must be numbers"),
        ({"home": [1]}, "'home' must be an object"),
        ({"home": {"a": {"mAP": ""}}}, "must be numbers"),
        ({"rescored": {"git": 1}}, "'rescored' must be an object"),
        ({"domain_probe": {"accuracy": 50, "chance": 0.4}}, "'domain_probe' must have fractions"),
        ({"neighbours": [1]}, "'neighbours' must have fractions"),
        ({"neighbours": {"found": 0.5, "chance": 0.1, "k": 8}}, "whole numbers 'k' and"),
        ({"neighbours": NEIGHBOURS | {"colour": "red"}}, "numbers 'colour' and"),
        ({"counts": {"sources": {"a": [1]}}}, "'counts' must have identities and images"),
        ({"embedding": "x.npz"}, "'embedding' must name a 'file'"),
        ({"parameter": {"name": "top_k"}}, "'parameter' must have a 'name' and a number"),
    ],
)
def test_a_record_of_another_form_is_named_by_its_line(tmp_path, changes, says):
    write(tmp_path, [record(), record(row="other") | changes])
    with pytest.raises(ValueError) as error:
        results.load(tmp_path)
    assert f"{tmp_path / 'results.jsonl'}, line 2: " in str(error.value)
    assert says in str(error.value)


def test_the_least_that_a_record_can_have(tmp_path):
    least = {"experiment": "table5", "row": "a", "label": "A", "seed": 1, "digest": "d"}
    (tmp_path / "results.jsonl").write_text(json.dumps(least) + "\n")
    assert results.load(tmp_path).experiments["table5"].rows["a"].finished == []
