"""The pool that is shared out to the processes against the one that each has whole."""

import pytest
import torch

from ddan_torchreid import IdentityPool, distributed
from ddan_torchreid.method.sharded_pool import ShardedIdentityPool
from tests.distributed.launch import run
from tests.whole_runs import differences

IDENTITIES, DIMENSION, K = 23, 6, 5
DOMAINS = torch.arange(IDENTITIES) % 3
OPTIONS = {"central_domain": 1, "update_rate": 0.3}


def make(kind, **options):
    return kind(DOMAINS, DIMENSION, **{**OPTIONS, **options})


def batch(step, size=12):
    """Features, identities and domains; the last identities are never seen."""
    generator = torch.Generator().manual_seed(step)
    pids = torch.randint(IDENTITIES - 3, (size,), generator=generator)
    return torch.randn(size, DIMENSION, generator=generator), pids, DOMAINS[pids]


def steps(pool, first=0, last=6, k=K):
    """What the pool returns in each step of some epochs of two steps."""
    found = []
    for step in range(first, last):
        if step % 2 == 0:
            pool.start_epoch()
        features, pids, domains = batch(step)
        indices, valid = pool.nearest(features, domains, k, pids)
        found.append((indices, valid, pool.rows(indices)))
        pool.update(features, pids)
    return found


def sharded_steps(options, k):
    pool = make(ShardedIdentityPool, **options)
    rows = len(pool.representations)
    found = steps(pool, k=k)
    counts = pool.candidates(), pool.distinct_largest_channels()
    return found, pool.state_dict(), counts, rows


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize(
    ("options", "k"),
    [
        ({}, K),
        ({"central_domain": None}, K),
        ({"exclude_own_identity": True}, K),
        ({}, IDENTITIES + 4),
    ],
    ids=str,
)
def test_a_sharded_pool_returns_what_a_whole_one_returns(processes, options, k):
    pool = make(IdentityPool, **options)
    expected = steps(pool, k=k)
    results = run(processes, sharded_steps, options, k)
    counts = pool.candidates(), pool.distinct_largest_channels()
    assert counts[1] > 1
    for found, _, its_counts, rows in results:
        assert not differences([found, its_counts], [expected, counts])
        assert rows == -(-IDENTITIES // processes) + 1
    (_, state, _, _), *others = results
    assert not differences(state, pool.state_dict())
    assert not any(other for _, other, _, _ in others)


def continue_from(state):
    pool = make(ShardedIdentityPool)
    pool.load_state_dict(state)
    return steps(pool, 3, 6), pool.state_dict()


@pytest.mark.parametrize("processes", [2, 3])
def test_a_pool_continues_in_any_number_of_processes(processes):
    pool = make(IdentityPool)
    steps(pool, 0, 3)
    state = {name: rows.clone() for name, rows in pool.state_dict().items()}
    expected = steps(pool, 3, 6)
    results = run(processes, continue_from, state)
    for found, _ in results:
        assert not differences(found, expected)
    whole = make(IdentityPool)
    whole.load_state_dict(results[0][1])
    assert not differences(steps(whole, 6, 8), steps(pool, 6, 8))


def gathered_update(features, pids):
    pool = make(IdentityPool)
    pool.start_epoch()
    for images, identities in zip(features, pids, strict=True):
        joined = [distributed.gather(distributed.own(each)) for each in (images, identities)]
        order = torch.randperm(len(identities), generator=torch.Generator().manual_seed(1))
        pool.update(joined[0][order], joined[1][order])
    return pool.state_dict()


def test_the_pool_is_bit_identical_to_that_of_one_process():
    # Sums of float32 numbers are exact in float64, so the order within the batch is no matter.
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4, 24, DIMENSION, generator=generator)
    pids = torch.randint(IDENTITIES, (4, 24), generator=generator)
    pool = make(IdentityPool)
    pool.start_epoch()
    for images, identities in zip(features, pids, strict=True):
        pool.update(images, identities)
    for state in run(3, gathered_update, features, pids):
        assert not differences(state, pool.state_dict())


def load_other_size(state):
    with pytest.raises(RuntimeError) as error:
        make(ShardedIdentityPool).load_state_dict(state)
    return str(error.value)


def test_a_pool_of_another_size_is_refused():
    other = IdentityPool(torch.arange(9) % 3, DIMENSION, 1)
    assert all("size mismatch" in text for text in run(2, load_other_size, other.state_dict()))
