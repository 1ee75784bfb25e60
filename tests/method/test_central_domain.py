"""Eq. 3 and Table 2: distances against SciPy, the slow reference and closed forms."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ddan_torchreid.method.central_domain import (
    central_domain,
    choice_noise,
    domain_distances,
    format_distances,
    self_distances,
    wasserstein_distance,
)
from tests import reference

# Table 2 of the paper.
NAMES = ["cuhk02", "cuhk03", "dukemtmcreid", "market1501", "cuhksysu"]
TABLE_2 = np.array(
    [
        [0, 0.69, 1.61, 1.37, 0.87],
        [0.69, 0, 1.58, 1.44, 0.72],
        [1.61, 1.58, 0, 1.69, 1.20],
        [1.37, 1.44, 1.69, 0, 1.10],
        [0.87, 0.72, 1.20, 1.10, 0],
    ]
)


def normal(*shape, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=shape) + shift


def costs(a, b):
    return cdist(*(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)), "sqeuclidean")


class TestWassersteinDistance:
    @pytest.mark.parametrize(("n", "dim"), [(2, 1), (30, 3), (200, 64)])
    def test_equals_the_best_assignment(self, n, dim):
        a, b = normal(n, dim), normal(n, dim, seed=1, shift=0.5)
        expected = costs(a, b)[linear_sum_assignment(costs(a, b))].mean()
        assert wasserstein_distance(a, b) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 4), (2, 3), (6, 2)])
    def test_equals_the_reference_for_any_two_sizes(self, n, m):
        a, b = normal(n, 3), normal(m, 3, seed=1)
        expected = reference.wasserstein(a.tolist(), b.tolist())
        assert wasserstein_distance(a, b) == pytest.approx(expected, abs=1e-12)

    def test_sinkhorn_is_of_the_right_size_for_large_samples(self):
        """POT's stabilised solver is not, from 1000 samples on."""
        a, b = normal(1000, 64), normal(1000, 64, seed=1)
        exact = wasserstein_distance(a, b)
        assert exact < wasserstein_distance(a, b, "sinkhorn") < 1.5 * exact

    def test_sinkhorn_equals_plain_iterations(self):
        """The scaling iterations of Sinkhorn and Knopp, at the release's regularisation of 0.1."""
        a, b = normal(20, 5), normal(30, 5, seed=1)
        kernel = np.exp(-costs(a, b) / 0.1)
        v = np.ones(30)
        for _ in range(5000):
            u = 1 / 20 / (kernel @ v)
            v = 1 / 30 / (kernel.T @ u)
        expected = (u[:, None] * kernel * v * costs(a, b)).sum()
        assert wasserstein_distance(a, b, "sinkhorn") == pytest.approx(expected, rel=1e-6)

    def test_tensors_of_any_type(self):
        a, b = (torch.from_numpy(normal(20, 4, seed=s)).to(torch.bfloat16) for s in (0, 1))
        expected = wasserstein_distance(a.double().numpy(), b.double().numpy())
        assert wasserstein_distance(a.requires_grad_(), b) == pytest.approx(expected)

    def test_errors(self):
        a = normal(4, 3)
        for wrong in (np.where(np.eye(4, 3), np.nan, a), np.where(np.eye(4, 3), np.inf, a)):
            with pytest.raises(ValueError, match="features of b must be .* without NaN"):
                wasserstein_distance(a, wrong)
        for wrong in (a[:1], a[0]):
            with pytest.raises(ValueError, match="features of b must be .* n >= 2"):
                wasserstein_distance(a, wrong)
        with pytest.raises(ValueError, match="different dimensions: 3 and 2"):
            wasserstein_distance(a, a[:, :2])
        with pytest.raises(ValueError, match="unknown solver 'emd'"):
            wasserstein_distance(a, a, "emd")
        with pytest.raises(ValueError, match="regularisation"):
            wasserstein_distance(a, a, "sinkhorn", regularisation=0)


class TestDomainDistances:
    def features(self):
        return {name: normal(40 + 5 * i, 6, seed=i, shift=i) for i, name in enumerate("cab")}

    def test_matrix(self):
        features = self.features()
        names, matrix = domain_distances(features)
        assert names == ["c", "a", "b"]
        assert np.array_equal(matrix, matrix.T)
        assert np.array_equal(np.diag(matrix), np.zeros(3))
        expected = wasserstein_distance(features["c"], features["b"])
        assert matrix[0, 2] == pytest.approx(expected)

    def test_samples_are_seeded_and_do_not_depend_on_the_other_domains(self):
        features = self.features()
        _, matrix = domain_distances(features, max_samples=10)
        _, other = domain_distances(features, max_samples=10, seed=1)
        _, pair = domain_distances({name: features[name] for name in "cb"}, max_samples=10)
        assert pair[0, 1] == matrix[0, 2] != other[0, 2]

    def test_self_distance_is_the_noise_of_two_disjoint_samples(self):
        features = {"many": normal(4000, 2), "few": normal(100, 2), "one": np.ones((50, 2))}
        many, few, one = self_distances(features, max_samples=500)
        assert one == pytest.approx(0, abs=1e-12)
        assert 0 < many < few
        other = normal(4000, 2, seed=1)
        _, matrix = domain_distances({"many": features["many"], "other": other}, max_samples=500)
        assert matrix[0, 1] == pytest.approx(many, abs=0.01)
        # Disjoint: twelve points at right angles, halved, are as far apart as can be.
        assert self_distances({"x": np.eye(12)}) == pytest.approx([2])

    @pytest.mark.parametrize("sizes", [(200, 200, 200, 200), (40, 200, 200, 200)])
    def test_domains_that_are_the_same_differ_by_no_more_than_the_noise(self, sizes):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            features = {str(i): rng.normal(size=(n, 8)) + 1 for i, n in enumerate(sizes)}
            _, matrix = domain_distances(features, 50, seed=seed)
            best, second, *_ = np.sort(matrix.sum(axis=1))
            own = self_distances(features, 50, seed=seed)
            assert second - best < choice_noise(features, own, 50, seed), seed

    def test_errors(self):
        with pytest.raises(ValueError, match=r"at least 2 domains, got \['a'\]"):
            domain_distances({"a": normal(4, 3)})
        with pytest.raises(ValueError, match="features of b must be"):
            domain_distances({"a": normal(4, 3), "b": normal(1, 3)})
        for distances in (domain_distances, self_distances):
            with pytest.raises(ValueError, match="max_samples must be at least 2, got 1"):
                distances(self.features(), max_samples=1)


class TestCentralDomain:
    def test_table_2(self):
        assert central_domain(NAMES, TABLE_2) == "cuhksysu"
        # Without it: 3.67 against 3.71, 4.88 and 4.50.
        assert central_domain(NAMES[:4], TABLE_2[:4, :4]) == "cuhk02"

    def test_equals_the_reference_and_ignores_the_diagonal(self):
        for seed in range(20):
            matrix = np.random.default_rng(seed).random((5, 5))
            matrix += matrix.T
            assert central_domain(NAMES, matrix) == reference.central_domain(NAMES, matrix)

    def test_errors(self):
        for names, matrix in (
            (NAMES, np.full((5, 5), np.nan)),
            (NAMES, TABLE_2[:4]),
            (["a"], np.zeros((1, 1))),
        ):
            with pytest.raises(ValueError, match="S >= 2 names and an .* without NaN"):
                central_domain(names, matrix)


def test_format_distances():
    lines = format_distances(NAMES, TABLE_2, np.full(5, 0.25)).splitlines()
    assert lines[0].split() == [*NAMES, "Sum", "To", "itself"]
    assert " ".join(lines[3].split()) == "dukemtmcreid 1.610 1.580 0 1.690 1.200 6.080 0.250"
    assert " ".join(lines[5].split()) == "cuhksysu * 0.870 0.720 1.200 1.100 0 3.890 0.250"
    assert sum("*" in line for line in lines[:6]) == 1
    assert len({len(line) for line in lines[:6]}) == 1
    assert "To itself" not in format_distances(NAMES, TABLE_2)
