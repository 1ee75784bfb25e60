"""All splits from one pass over the images, against one pass for each split."""

import shutil

import numpy as np
import pytest
import torch
import torchreid
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ddan_torchreid.evaluation import as_row, evaluate_protocol, mean_scores
from ddan_torchreid.evaluation.protocol import target_splits
from ddan_torchreid.evaluation.ranking import EVALUATORS
from tests import miniatures
from tests.evaluation.conftest import build_manager


@torch.no_grad()
def assert_same(scores, model, items, transform, tolerance=1e-12):
    """As one split with torchreid's dataset, loader, distances and evaluator alone."""
    features, pids, camids = [], [], []
    for part in items:
        dataset = torchreid.data.ImageDataset(
            part, part[:1], part[:1], transform=transform, mode="train", verbose=False
        )
        batches = list(DataLoader(dataset, batch_size=50))
        features.append(F.normalize(torch.cat([model.eval()(batch["img"]) for batch in batches])))
        pids.append(torch.cat([batch["pid"] for batch in batches]).numpy())
        camids.append(torch.cat([batch["camid"] for batch in batches]).numpy())
    distances = torchreid.metrics.compute_distance_matrix(*features).numpy()
    cmc, mean_ap = EVALUATORS["torchreid"](distances, *pids, *camids, use_cython=False)
    assert scores.ranks == {rank: float(cmc[rank - 1]) for rank in (1, 5, 10, 20)}
    assert scores.mean_ap == pytest.approx(mean_ap, abs=tolerance)


def test_it_equals_one_evaluation_per_split_exactly(model, manager):
    result = evaluate_protocol(model, manager, splits=2)
    assert list(result.targets) == list(miniatures.TARGETS)
    for target in result.targets.values():
        folder = target.splits.folder
        for split, scores in zip(target.splits.splits, target.scores, strict=True):
            items = [
                [(str(folder / path), pid, camid) for path, pid, camid in part]
                for part in (split.query, split.gallery)
            ]
            assert_same(scores, model, items, manager.transform_te)


def test_torchreids_splits_give_what_torchreid_gives_for_each(model, real_root):
    for number in (0, 1):
        of_split = build_manager(real_root, ["ilids"], split_id=number)
        result = evaluate_protocol(model, of_split, splits=2, splits_from="torchreid")
        items = [of_split.test_dataset["ilids"][part] for part in ("query", "gallery")]
        scores = result.targets["ilids"].scores[number]
        assert_same(scores, model, items, of_split.transform_te, tolerance=1e-6)


def test_each_image_is_computed_once(model, manager):
    batches = []
    result = evaluate_protocol(
        model, manager, watched=lambda loader: (batches.append(b) or b for b in loader)
    )
    assert sum(len(batch["img"]) for batch in batches) == result.images
    sizes = {name: len(target.splits.images()) for name, target in result.targets.items()}
    assert model.images == result.images == sum(sizes.values()) <= 3964
    # All of VIPeR and GRID, and of PRID the persons that both views have and view B's others.
    assert (sizes["viper"], sizes["prid"], sizes["grid"]) == (1264, 949, 1275)


def test_means_and_deviations(model, manager):
    result = evaluate_protocol(model, manager, splits=3, legacy_metrics=True)
    viper = result.targets["viper"]
    assert len(viper.scores) == 6
    for column, value in as_row(viper.mean).items():
        values = [as_row(each)[column] for each in viper.scores]
        assert value == pytest.approx(np.mean(values))
        assert viper.std[column] == pytest.approx(np.std(values, ddof=1))
    assert result.mean == mean_scores(result.scores)
    rank1 = [target.mean.rank1 for target in result.targets.values()]
    assert result.mean["rank-1"] == pytest.approx(np.mean(rank1))
    assert result.std["rank-1"] == pytest.approx(np.std(rank1, ddof=1))
    # One match for each query: mINP is mAP, and mAP follows from the legacy columns.
    assert result.mean["mINP"] == pytest.approx(result.mean["mAP"])
    assert result.mean["mAP"] == pytest.approx(
        2 * result.mean["legacy mAP"] - result.mean["legacy rank-1"]
    )


def test_other_targets_have_their_own_query_and_gallery(model, real_root):
    manager = build_manager(real_root, ["market1501", "ilids"])
    result = evaluate_protocol(model, manager, splits=2)
    market, ilids = result.targets.values()
    assert (len(market.scores), len(ilids.scores)) == (1, 2)
    assert market.mean is market.scores[0]
    assert np.isnan(market.std["rank-1"])
    assert market.mean.mean_inp < market.mean.mean_ap
    query, gallery = (manager.test_dataset["market1501"][part] for part in ("query", "gallery"))
    assert market.mean.distances.shape == (len(query), len(gallery))
    assert_same(market.mean, model, [query, gallery], manager.transform_te)
    # No splits: the standard targets' own, too.
    assert len(evaluate_protocol(model, manager, splits=0).targets["ilids"].scores) == 1


def test_viper_in_one_direction(manager):
    splits = target_splits(manager, 10, 0, True, "")["viper"].splits
    assert len(splits) == 10
    assert all(split.query[0].camid == 0 for split in splits)


def test_bad_images_stop_it_or_are_left_out(model, real_root, tmp_path):
    for name in ("market1501", "ilids"):
        shutil.copytree(real_root / name, tmp_path / name)
    manager = build_manager(tmp_path, ["ilids"])
    broken = target_splits(manager, 1, 0, False, "")["ilids"].splits[0].query[0].path
    (tmp_path / "ilids" / broken).write_bytes(b"")
    with pytest.raises(ValueError, match="ilids"):
        evaluate_protocol(model, manager, splits=1)
    result = evaluate_protocol(model, manager, splits=1, skip_bad_images=True)
    split = result.targets["ilids"].splits
    assert broken not in split.images()
    assert "59/60" in split.note
