"""Eqs. 6 and 7 and the neighbour search against the slow reference; state."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.method.identity_pool import IdentityPool
from tests import reference
from tests.method.tensors import DTYPES, seeded

# Three domains of 5, 4 and 3 identities, interleaved.
DOMAINS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0])
N, D = len(DOMAINS), 6


def batch(size, seed, dtype=torch.float32, identities=N):
    g = seeded(seed)
    pids = torch.randint(identities, (size,), generator=g)
    return torch.randn(size, D, generator=g).to(dtype), pids


def filled(central=2, rows=None, domains=DOMAINS, **kwargs):
    """A pool in which every identity has been seen once."""
    pool = IdentityPool(domains, D, central, **kwargs)
    pool.start_epoch()
    pool.update(torch.randn(N, D, generator=seeded(7)) if rows is None else rows, torch.arange(N))
    return pool


def equal(a, b):
    """All buffers, those that are not saved included."""
    a, b = dict(a.named_buffers()), dict(b.named_buffers())
    return all(torch.equal(a[name], b[name]) for name in a)


def assert_same_neighbours(a, b, images, own):
    for found, expected in zip(a.nearest(images, own, 5), b.nearest(images, own, 5), strict=True):
        assert torch.equal(found, expected)


class TestUpdate:
    @given(
        epochs=st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=4),
        rate=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
        dtype=st.sampled_from(DTYPES),
        seed=st.integers(0, 1000),
    )
    @settings(max_examples=80, deadline=None)
    def test_equals_one_image_at_a_time(self, epochs, rate, dtype, seed):
        pool = IdentityPool(DOMAINS, D, 2, rate)
        slow = reference.Pool(DOMAINS.tolist(), 2, rate)
        for epoch in epochs:
            pool.start_epoch()
            slow.start_epoch()
            for size in epoch:
                seed += 1
                features, pids = batch(size, seed, dtype)
                pool.update(features, pids)
                slow.update(features.double().numpy(), pids)
        assert pool.seen.nonzero().flatten().tolist() == sorted(slow.r_hat)
        expected = torch.zeros(N, D, dtype=torch.float64)
        for pid, row in slow.r_hat.items():
            expected[pid] = torch.from_numpy(row)
        torch.testing.assert_close(pool.representations.double(), expected, rtol=1e-5, atol=1e-6)
        assert pool.counts.tolist() == [slow.r_bar.get(i, (0,))[0] for i in range(N)]

    def test_a_worked_example(self):
        pool = IdentityPool([0, 0, 1], 1, None, update_rate=0.25)

        def update(*values):
            pool.update(torch.tensor(values)[:, None], torch.zeros(len(values), dtype=torch.long))
            return pool.representations[0].item()

        pool.start_epoch()
        assert update(2.0) == 2  # no previous epoch: r_bar itself
        assert update(4.0, 6.0) == 4
        pool.start_epoch()
        assert pool.representations[0].item() == 4  # not seen yet in this epoch
        assert pool.means.eq(0).all()
        assert update(8.0) == 0.25 * 4 + 0.75 * 8
        assert update(12.0) == 0.25 * 4 + 0.75 * 10
        pool.start_epoch()
        pool.start_epoch()  # an epoch without it
        assert update(1.0) == 0.25 * 8.5 + 0.75 * 1

    @pytest.mark.parametrize("autocast", [False, True])
    def test_the_order_of_the_batch_and_autocast_change_no_bit(self, autocast):
        features, pids = batch(64, 0)
        features.requires_grad_()
        a, b = IdentityPool(DOMAINS, D, 2), IdentityPool(DOMAINS, D, 2)
        order = torch.randperm(64, generator=seeded())
        a.update(features, pids)
        with torch.autocast("cpu", enabled=autocast):
            b.update(features[order], pids[order])
        assert equal(a, b)
        assert not a.representations.requires_grad


class TestNearest:
    @given(
        k=st.integers(1, 2 * N),
        central=st.sampled_from([None, 0, 2]),
        exclude=st.booleans(),
        known=st.integers(1, N),
        size=st.integers(0, 9),
        dtype=st.sampled_from([torch.float32, torch.float16]),
        seed=st.integers(0, 1000),
    )
    @settings(max_examples=120, deadline=None)
    def test_equals_ranking_the_candidates(self, k, central, exclude, known, size, dtype, seed):
        pool = IdentityPool(DOMAINS, D, central, exclude_own_identity=exclude)
        slow = reference.Pool(DOMAINS.tolist(), central, 0.05, exclude)
        features, pids = batch(20, seed, identities=known)
        pool.update(features, pids)
        slow.update(features.numpy(), pids)
        images, own = batch(size, seed + 1, dtype)
        indices, valid = pool.nearest(images, DOMAINS[own], k, own)
        assert indices.shape == valid.shape == (size, k)
        assert indices.dtype == torch.int64
        assert valid.dtype == torch.bool
        assert indices[~valid].eq(0).all()
        for i in range(size):
            pid = int(own[i])
            ranking = slow.ranking(images[i], int(DOMAINS[pid]), pid)
            assert valid[i].tolist() == [j < len(ranking) for j in range(k)]
            similarity = {identity: s for s, identity in ranking}
            found = [similarity[j] for j in indices[i][valid[i]].tolist()]
            assert found == pytest.approx([s for s, _ in ranking[:k]], abs=1e-5)

    def test_the_central_domain_can_be_set_later(self):
        later = filled(central=None)
        later.central_domain = 2
        assert_same_neighbours(later, filled(central=2), torch.randn(3, D), torch.arange(3))

    def test_rows_of_length_zero_have_similarity_zero(self):
        rows = torch.randn(N, D, generator=seeded())
        rows[1], rows[4], rows[7], rows[10] = torch.zeros(D), torch.ones(D), -torch.ones(D), 0
        pool = filled(central=None, rows=rows, domains=(DOMAINS == 1).long())
        indices, valid = pool.nearest(torch.ones(1, D), torch.tensor([0]), 4)
        assert (indices[0, 0], indices[0, 3]) == (4, 7)
        assert valid.all()
        zeros, valid = pool.nearest(torch.zeros(1, D), torch.tensor([0]), 4)
        assert sorted(zeros[0].tolist()) == [1, 4, 7, 10]
        assert valid.all()

    def test_candidates_is_what_a_full_pool_finds(self):
        for central in (None, 0, 2):
            for exclude in (False, True):
                pool = filled(central, exclude_own_identity=exclude)
                pids = torch.tensor([0, 1, 2])
                _, valid = pool.nearest(torch.randn(3, D), DOMAINS[pids], N, pids)
                assert pool.candidates().tolist() == valid.sum(dim=1).tolist()


class TestState:
    def test_resumes_bit_for_bit_in_the_middle_of_an_epoch(self):
        a = filled(update_rate=0.3)
        a.start_epoch()
        a.update(*batch(9, 1))
        b = IdentityPool(DOMAINS, D, 2, update_rate=0.3)
        b.load_state_dict(a.state_dict())
        assert not any("norm" in name for name in a.state_dict())  # derived, so not saved
        images, own = batch(16, 5)
        for step in range(4):
            assert_same_neighbours(a, b, images, DOMAINS[own])
            assert equal(a, b)
            if step == 2:
                a.start_epoch()
                b.start_epoch()
            a.update(*batch(9, 10 + step))
            b.update(*batch(9, 10 + step))
        assert equal(a, b)

    def test_loading_takes_the_domains_of_the_identities(self):
        a, b = filled(central=2, domains=DOMAINS.flip(0)), filled(central=2)
        b.load_state_dict(a.state_dict())
        assert_same_neighbours(a, b, torch.randn(3, D), torch.arange(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 4, None), "an ID pool needs identity_domains"),
        (([[0, 1]], 4, None), "an ID pool needs identity_domains"),
        (([0.0, 1.0], 4, None), "an ID pool needs identity_domains"),
        (([0, -1], 4, None), "an ID pool needs identity_domains"),
        (([0, 1], 0, 1), "feature_dim"),
        (([0, 1], 4, 2), r"central_domain=2: the domains are \[0, 1\]"),
        (([0, 1], 4, 1, 1.5), "update_rate"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        IdentityPool(*arguments)


def test_batches_that_are_refused():
    pool, pids = filled(), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        pool.nearest(torch.ones(2, D), pids, 0)
    for features in (torch.ones(2, 5), torch.ones(3, D), torch.ones(2, 1, D)):
        with pytest.raises(ValueError, match=r"an ID pool needs features \(B, 6\) and labels"):
            pool.update(features, pids)
        with pytest.raises(ValueError, match=r"an ID pool needs features \(B, 6\) and labels"):
            pool.nearest(features, pids, 1)


def test_distinct_largest_channels_are_those_of_identities_that_have_been_seen():
    pool = IdentityPool([0, 0, 1, 1, 1], 4, None)
    assert pool.distinct_largest_channels() == 0
    features = torch.tensor([[0.0, 3.0, 1.0, 0.0], [0.0, 5.0, 4.0, 0.0], [1.0, 0.0, 0.0, 2.0]])
    pool.update(features[:2], torch.tensor([0, 3]))
    assert pool.distinct_largest_channels() == 1
    pool.update(features[2:], torch.tensor([4]))
    assert pool.distinct_largest_channels() == 2
