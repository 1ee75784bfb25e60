"""Distances, embeddings and ranking pictures from the features and rankings of a run."""

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import linear_sum_assignment

from ddan_torchreid.experiments import measures, probes
from ddan_torchreid.experiments.ranking_sheet import RIGHT, WRONG, ranking_sheet
from ddan_torchreid.experiments.samples import Sample

NAMES = ["plaza", "mall", "film"]


def sample(shift=0.0, images=40):
    rng = np.random.default_rng(5)
    domain = np.repeat([0, 1, 2], images)
    # Film lies between the other two.
    centres = np.array([[3.0, 0, 0, 0], [0, 3.0, 0, 0], [1.6, 1.6, 0, 0]])
    features = rng.normal(size=(len(domain), 4)) + centres[domain] + shift
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    numbers = np.arange(len(domain))
    return Sample(NAMES, features.astype(np.float32), numbers, domain, [f"{n}" for n in numbers])


def assignment_cost(a, b):
    costs = ((a[:, None] - b) ** 2).sum(2)
    return costs[linear_sum_assignment(costs)].mean()


def test_distances_are_those_of_an_assignment():
    """Between samples of one size, optimal transport is an assignment."""
    given = sample()
    found = probes.distances(given)
    parts = [given.features[given.domain == number].astype(float) for number in range(3)]
    expected = [[assignment_cost(a, b) for b in parts] for a in parts]
    np.testing.assert_allclose(found["matrix"], expected, atol=2e-5)
    assert found["names"] == NAMES
    assert found["central"] == "film"
    assert len(found["self"]) == 3


def test_the_row_of_pairwise_alignment_is_the_way_from_the_baseline():
    before, moved = sample(), sample(shift=1.0)
    found = measures.to_baseline(moved, before)
    expected = [
        assignment_cost(
            before.features[before.domain == number].astype(float),
            moved.features[moved.domain == number].astype(float),
        )
        for number in range(3)
    ]
    assert found["names"] == NAMES
    np.testing.assert_allclose(found["to_baseline"], expected, atol=2e-5)
    same = measures.to_baseline(before, before)["to_baseline"]
    np.testing.assert_allclose(same, 0, atol=1e-12)


def test_the_embedding_has_the_same_images_for_each_model(tmp_path, monkeypatch):
    monkeypatch.setattr(measures, "EMBEDDED", 15)
    given = sample()
    for name in ("one", "other"):
        measures.write_embedding(given, tmp_path / "new" / f"{name}.npz")
    one, other = (np.load(tmp_path / "new" / f"{name}.npz") for name in ("one", "other"))
    assert one["xy"].shape == (45, 2)
    assert np.bincount(one["domain"]).tolist() == [15, 15, 15]
    assert one["names"].tolist() == NAMES
    np.testing.assert_array_equal(one["xy"], other["xy"])
    centres = [one["xy"][one["domain"] == number].mean(0) for number in range(3)]
    spread = np.mean([one["xy"][one["domain"] == number].std(0).mean() for number in range(3)])
    assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_few_images_can_be_embedded_too(tmp_path):
    measures.write_embedding(sample(images=3), tmp_path / "few.npz")
    assert np.isfinite(np.load(tmp_path / "few.npz")["xy"]).all()


def test_the_ranking_sheet_frames_right_and_wrong(tmp_path):
    for name, colour in (("q", "blue"), ("a", "white"), ("b", "black")):
        Image.new("RGB", (16, 32), colour).save(tmp_path / f"{name}.png")
    rankings = {
        "rendered_snow": [{"query": "q.png", "gallery": [["a.png", 1], ["b.png", 0]]}] * 2,
        "viper": [],
    }
    ranking_sheet(rankings, tmp_path, tmp_path / "new" / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "new" / "sheet.png")).reshape(-1, 3)
    counts = [(pixels == colour).all(1).sum() for colour in (RIGHT, WRONG, (0, 0, 255))]
    assert counts[0] == counts[1] > 0
    assert counts[2] == pytest.approx(2 * 64 * 128)
