"""The k largest values, found in few blocks, against a sort."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddan_torchreid.method.identity_pool import IdentityPool
from ddan_torchreid.method.neighbours import BLOCK, blockwise_topk
from tests.method.tensors import seeded


@given(
    rows=st.integers(0, 4),
    blocks=st.integers(1, 12),
    k=st.integers(1, 3 * BLOCK),
    levels=st.sampled_from([3, 50, 10**6]),
    share=st.sampled_from([0.0, 0.5, 0.99]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_equals_sorting(rows, blocks, k, levels, share, seed):
    """With few levels most values are equal, and a share is no candidate."""
    generator = seeded(seed)
    shape = (rows, blocks * BLOCK)
    values = torch.randint(levels, shape, generator=generator).float()
    values[torch.rand(shape, generator=generator) < share] = -torch.inf
    largest, places = blockwise_topk(values.t().contiguous(), k, torch.arange(BLOCK))
    there = min(k, shape[1])
    expected = values.sort(dim=1, descending=True).values[:, :k]
    assert largest.shape == places.shape == (rows, k)
    assert torch.equal(largest[:, :there], expected)
    assert torch.equal(values.gather(1, places[:, :there]), expected)
    assert all(len(set(row)) == there for row in places[:, :there].tolist())
    assert largest[:, there:].eq(-torch.inf).all()
    assert places[:, there:].eq(0).all()


@pytest.mark.parametrize("identities", [BLOCK - 1, BLOCK, BLOCK + 1, 1000])
@pytest.mark.parametrize("k", [1, 8, 50])
def test_the_pool_finds_what_a_sort_of_all_similarities_finds(identities, k):
    domains = torch.randint(3, (identities,), generator=seeded(0))
    pool = IdentityPool(domains, 6, 2)
    known = torch.randperm(identities, generator=seeded(0))[: identities - 20]
    pool.update(torch.randn(len(known), 6, generator=seeded(0)), known)
    images = torch.randn(6, 6, generator=seeded(1))
    own = torch.arange(6) % 3
    indices, valid = pool.nearest(images, own, k)
    similarities = torch.cosine_similarity(images[:, None], pool.representations, dim=2)
    candidates = (domains != own[:, None]) == (own != 2)[:, None]
    similarities[~(candidates & pool.seen)] = -torch.inf
    expected = similarities.sort(dim=1, descending=True).values
    expected = torch.nn.functional.pad(expected, (0, 50), value=-torch.inf)[:, :k]
    assert torch.equal(valid, expected > -torch.inf)
    found = similarities.gather(1, indices)
    torch.testing.assert_close(found[valid], expected[valid])
