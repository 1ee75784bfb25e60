"""MultiDomainIdentitySampler: every sentence of its docstring, against slow definitions."""

from __future__ import annotations

import pickle
import random
from collections import Counter

import numpy as np
import pytest
import torch
import torchreid
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.data.sampler import MultiDomainIdentitySampler, _spread_slots
from tests.data.sampler_promises import check_epoch, draw, make_source

# (images, identities) of CUHK-SYSU, Market-1501, DukeMTMC-reID, CUHK03 and CUHK02, all splits.
REAL_SIZES = [(34574, 11934), (29419, 1501), (36411, 1812), (14097, 1467), (7264, 1816)]
CENTRAL = 0


def realistic_source(scale: int = 1) -> list[tuple[str, int, int, int]]:
    """Synthetic list of the real sizes divided by ``scale``: each identity 1 image, then chance."""
    rng = np.random.default_rng(0)
    domains = []
    for images, identities in REAL_SIZES:
        images, identities = images // scale, identities // scale
        extra = rng.integers(identities, size=images - identities)
        domains.append((1 + np.bincount(extra, minlength=identities)).tolist())
    return make_source(domains)


@st.composite
def sampler_settings(draw_value: st.DrawFn) -> tuple[list[list[int]], int, int]:
    counts = st.lists(st.integers(1, 30), min_size=1, max_size=12)
    domains = draw_value(st.lists(counts, min_size=1, max_size=6))
    places = draw_value(st.integers(1, sum(len(domain) for domain in domains)))
    return domains, places, draw_value(st.integers(1, 5))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=sampler_settings(), seed=st.integers(0, 5))
def test_every_promise_on_random_sources(case: tuple, seed: int) -> None:
    domains, places, instances = case
    source = make_source(domains)
    sampler = MultiDomainIdentitySampler(source, places * instances, instances, seed=seed)
    for _ in range(2):
        check_epoch(source, sampler)


CORNERS = {
    "one domain": ([[4] * 20], 16, 4),
    "one identity": ([[9]], 4, 4),
    "fewer images than K": ([[1, 2, 3, 1, 2, 3], [1, 1]], 16, 4),
    "fewer identities in a domain than its share": ([[200], [4] * 30], 16, 4),
    "one identity with most images": ([[400] + [4] * 3, [4] * 20], 16, 4),
    "domains of very different size": ([[8] * 100, [4]], 32, 4),
    "as many domains as slots": ([[4] * 5, [8] * 9, [1], [30]], 16, 4),
    "more domains than slots": ([[4] * n for n in range(1, 8)], 12, 4),
    "more domains than slots, shares whole": ([[8, 8]] * 6, 12, 4),
    "one slot": ([[4, 9], [30]], 4, 4),
    "as many identities as slots": ([[4, 40], [8, 1]], 16, 4),
    "single images": ([[5, 6, 7], [3]], 3, 1),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_every_promise_in_corners(corner: str) -> None:
    domains, batch_size, instances = CORNERS[corner]
    source = make_source(domains)
    sampler = MultiDomainIdentitySampler(source, batch_size, instances)
    for _ in range(3):
        check_epoch(source, sampler)


def test_every_promise_at_realistic_proportions() -> None:
    source = realistic_source(scale=20)
    check_epoch(source, MultiDomainIdentitySampler(source, 64, 4))


def test_central_share_stays_where_torchreids_sampler_runs_out() -> None:
    source = realistic_source(scale=10)
    central = np.array([item[3] for item in source]) == CENTRAL

    def share_of_tenths(indices: list[int]) -> np.ndarray:
        return np.array([part.mean() for part in np.array_split(central[indices], 10)])

    random.seed(0)
    np.random.seed(0)
    theirs = share_of_tenths(list(torchreid.data.sampler.RandomIdentitySampler(source, 64, 4)))
    ours = share_of_tenths(list(MultiDomainIdentitySampler(source, 64, 4)))
    assert theirs[0] > 0.6
    assert theirs[-1] < 0.05
    assert (abs(ours / ours.mean() - 1) < 0.1).all()
    assert ours.mean() == pytest.approx(0.37, abs=0.02)  # the domain's share of groups


def test_slots_are_even_at_any_moment_of_the_epoch() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        batches, domains = int(rng.integers(1, 10_001)), int(rng.integers(1, 8))
        spare = int(rng.integers(0, 12)) * batches
        cuts = np.sort(rng.integers(0, spare + 1, domains - 1))
        slots = batches + np.diff([0, *cuts, spare])
        spread = _spread_slots(slots, batches)
        assert (spread.sum(axis=0) == slots).all()
        assert (spread.sum(axis=1) == slots.sum() // batches).all()
        even = np.arange(1, batches + 1)[:, None] * slots / batches
        assert abs(spread.cumsum(axis=0) - even).max() < 4


def test_leftover_images_change_from_epoch_to_epoch() -> None:
    source = make_source([[5] * 4])
    sampler = MultiDomainIdentitySampler(source, 16, 4)
    left_out = [frozenset(range(20)) - set(draw(sampler).ravel().tolist()) for _ in range(40)]
    assert all(len(images) == 4 for images in left_out)
    assert frozenset.union(*left_out) == set(range(20))


def test_recycled_identity_draws_new_groups() -> None:
    # Domain 1 has a slot in each of 12 batches and one identity with one group of 4 of 7 images.
    source = make_source([[4] * 12, [7]])
    epoch = draw(MultiDomainIdentitySampler(source, 8, 4))
    groups = {frozenset(g) for g in epoch.reshape(-1, 4).tolist() if source[g[0]][3] == 1}
    assert len(groups) > 1


def test_extra_draws_of_a_short_identity_are_uniform_and_independent() -> None:
    sampler = MultiDomainIdentitySampler(make_source([[2]]), 4, 4)
    splits = Counter(tuple(np.bincount(list(sampler), minlength=2)) for _ in range(400))
    # Each image once, and two draws with replacement of either image.
    assert splits.keys() == {(3, 1), (2, 2), (1, 3)}
    assert abs(splits[3, 1] - 100) < 30
    assert abs(splits[2, 2] - 200) < 35


def test_identities_are_random_over_batches_and_companions() -> None:
    source = make_source([[8] * 12])
    sampler = MultiDomainIdentitySampler(source, 16, 4)
    first: Counter = Counter()
    together: Counter = Counter()
    for _ in range(600):
        for number, batch in enumerate(draw(sampler)[:, :, 0]):
            pids = sorted(source[index][1] for index in batch)
            first.update(pids if number == 0 else [])
            together.update((a, b) for a in pids for b in pids if a < b)
    assert all(abs(first[pid] - 200) < 60 for pid in range(12))
    expected = sum(together.values()) / 66
    assert len(together) == 66
    assert all(abs(count / expected - 1) < 0.2 for count in together.values())


def test_order_is_a_function_of_seed_and_epoch() -> None:
    source = make_source([[6] * 10, [2] * 30])
    sampler = MultiDomainIdentitySampler(source, 16, 4, seed=3)
    epochs = [list(sampler) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    sampler.set_epoch(1)
    assert [list(sampler), list(sampler)] == epochs[1:]
    assert list(MultiDomainIdentitySampler(source, 16, 4, seed=3)) == epochs[0]
    assert list(MultiDomainIdentitySampler(source, 16, 4, seed=4)) != epochs[0]


def test_global_random_states_are_neither_read_nor_changed() -> None:
    source = make_source([[6] * 10, [2] * 30])

    def states() -> tuple:
        return (
            random.getstate(),
            pickle.dumps(np.random.get_state()),
            torch.get_rng_state().tolist(),
        )

    before = states()
    order = list(MultiDomainIdentitySampler(source, 16, 4))
    assert states() == before
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    assert list(MultiDomainIdentitySampler(source, 16, 4)) == order


def test_items_without_domain_are_one_domain() -> None:
    source = make_source([[6] * 10])
    with_domain = list(MultiDomainIdentitySampler(source, 16, 4))
    assert list(MultiDomainIdentitySampler([item[:3] for item in source], 16, 4)) == with_domain


def test_same_pid_in_two_domains_is_two_identities() -> None:
    source = [(f"{d}/{n}.jpg", 7, 0, d) for d in (2, 5) for n in range(4)]
    sampler = MultiDomainIdentitySampler(source, 8, 4)
    check_epoch(source, sampler)


@pytest.mark.parametrize(
    ("counts", "batch_size", "instances", "message"),
    [
        ([[4] * 8], 18, 4, "batch_size=18 .* write batch_size=16 or batch_size=20"),
        ([[4] * 8], 2, 4, "batch_size=2 is smaller .* write batch_size=4 or more"),
        ([[4] * 8], 8, 0, "num_instances=0 .* write 1 or more"),
        ([[4] * 3, [4]], 64, 4, "4 identities cannot fill a batch of 16 .* write batch_size=16"),
        ([], 8, 4, "data_source is empty"),
    ],
)
def test_bad_input(counts: list, batch_size: int, instances: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiDomainIdentitySampler(make_source(counts), batch_size, instances)


def test_negative_epoch() -> None:
    with pytest.raises(ValueError, match="epoch=-1 is negative"):
        MultiDomainIdentitySampler(make_source([[4]]), 4, 4).set_epoch(-1)
