"""Features without what they say of the source: the algebra, and scores on known targets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ddan_torchreid.evaluation import score_splits
from ddan_torchreid.evaluation.splits import LabelledImage, Split, SplitSet
from ddan_torchreid.experiments import probes
from ddan_torchreid.experiments.erasure import erased, erasure
from ddan_torchreid.experiments.samples import Sample

NAMES = ["rendered_plaza", "rendered_mall", "rendered_film"]
DIM = 12


def shifted(strength=4.0, people=40, images=6):
    """Three domains whose people differ in the same way; each domain is shifted its own way."""
    rng = np.random.default_rng(5)
    domain = np.repeat(np.arange(3), people * images)
    pids = np.repeat(np.arange(3 * people), images)
    looks = rng.normal(size=(3 * people, DIM))[pids]
    shifts = strength * np.eye(DIM)[:3]
    features = looks + shifts[domain] + 0.3 * rng.normal(size=looks.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Sample(NAMES, features, pids, domain, [""] * len(pids), features)


def test_means_are_equal_afterwards_and_their_mean_stays():
    given = shifted()
    erase = erasure(given.features, given.domain)
    assert erase.basis.shape == (2, DIM)
    np.testing.assert_allclose(erase.basis @ erase.basis.T, np.eye(2), atol=1e-12)
    without = erase(given.features)
    before, after = (
        np.stack([features[given.domain == d].mean(0) for d in range(3)])
        for features in (given.features, without)
    )
    np.testing.assert_allclose(after, np.tile(before.mean(0), (3, 1)), atol=1e-12)
    # Nothing else moves: what is orthogonal to the means' differences is as it was.
    differences = before - before.mean(0)
    other = np.linalg.svd(differences)[2][2:]
    np.testing.assert_allclose(without @ other.T, given.features @ other.T, atol=1e-12)
    np.testing.assert_allclose(erase(without), without, atol=1e-12)


def test_two_classes_have_one_direction_and_equal_means_have_none():
    given = shifted()
    assert erasure(given.features, given.domain == 2).basis.shape == (1, DIM)
    same = np.tile([[1.0, 2.0], [3.0, 4.0]], (2, 1))
    erase = erasure(same, np.array([0, 0, 1, 1]))
    assert erase.basis.shape == (0, 2)
    np.testing.assert_array_equal(erase(same), same)


def target(offset, people=30):
    """Each query has one match; half of the queries and matches are pushed by ``offset``."""
    rng = np.random.default_rng(7)
    looks = rng.normal(size=(people, DIM))
    pushed = rng.integers(2, size=(2, people, 1)) * offset
    query, gallery = looks + pushed[0], looks + 0.2 * rng.normal(size=looks.shape) + pushed[1]
    images = [[LabelledImage(f"{kind}{i}.png", i, camera) for i in range(people)]
              for camera, kind in enumerate("qg")]  # fmt: skip
    splits = SplitSet("invented", Path(), "", (Split("0", *map(tuple, images)),))
    rows = dict(zip([x.path for part in images for x in part], [*query, *gallery], strict=True))
    features = torch.tensor(np.stack([rows[path] for path in splits.images()]), dtype=torch.float32)
    return score_splits(splits, features)


def test_a_shift_between_cameras_that_sources_show_is_undone():
    given = shifted()
    towards = 6 * (np.eye(DIM)[0] - np.eye(DIM)[1])
    found = erased(given, "rendered_film", {"invented": target(towards)})
    before = target(towards).mean.rank1
    assert before < 0.7
    assert found["sources"]["scores"]["invented"] == {"rank-1": 1.0, "mAP": 1.0}
    # It is plaza and mall that differ so; whether it is film says nothing of it.
    assert found["centre"]["scores"]["invented"]["rank-1"] < before + 0.1
    assert found["sources"]["directions"] == 2
    assert found["centre"]["directions"] == 1
    assert 0 < found["centre"]["variance"] < found["sources"]["variance"] < 1


def test_unseen_people_no_longer_show_their_source():
    given = shifted()
    assert probes.domain_probe(given)["accuracy"] > 0.8
    found = erased(given, "rendered_film", {})
    assert found["sources"]["probe"] == pytest.approx(1 / 3, abs=0.08)
    assert found["centre"]["probe"] == pytest.approx(0.5, abs=0.08)
    assert set(erased(given, "auto", {})) == {"sources"}


def test_a_single_source_has_nothing_to_take_out():
    given = shifted()
    one = Sample(NAMES[:1], given.features, given.pids, 0 * given.domain, given.paths)
    assert erased(one, NAMES[0], {}) == {}


def test_collapsed_features_have_nothing_to_take_out_and_finite_figures():
    given = shifted()
    same = np.full_like(given.features, DIM**-0.5)
    collapsed = Sample(NAMES, same, given.pids, given.domain, given.paths)
    before = target(0 * np.eye(DIM)[0])
    found = erased(collapsed, "rendered_film", {"invented": before})
    for each in found.values():
        assert (each["directions"], each["variance"]) == (0, 0.0)
        assert each["scores"]["invented"]["rank-1"] == before.mean.rank1
