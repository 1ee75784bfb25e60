"""The order of an epoch: entered anywhere, and each image's augmentation fixed by it."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from ddan_torchreid.data.order import Draw, EpochOrder, augmentation
from ddan_torchreid.data.sampler import MultiDomainIdentitySampler

DATA = [(f"{pid}/{image}", pid, 0, pid % 3) for pid in range(9) for image in range(5)]


def identity_sampler():
    return MultiDomainIdentitySampler(DATA, 12, 4, seed=3)


def random_sampler():
    return RandomSampler(range(40))


class NumPySampler:
    """Draws from the global generators of Python and NumPy, as torchreid's samplers do."""

    def __len__(self):
        return 40

    def __iter__(self):
        indices = np.random.permutation(40).tolist()
        random.shuffle(indices)
        yield from indices


SAMPLERS = pytest.mark.parametrize("make", [identity_sampler, random_sampler, NumPySampler])


def drawn(order, epoch, start=0):
    order.set_epoch(epoch, start)
    return [(int(draw), draw.seed) for draw in order]


@SAMPLERS
def test_an_epoch_is_a_function_of_seed_and_epoch_and_starts_anywhere(make):
    order = EpochOrder(make(), 5)
    whole = drawn(order, 2)
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)
    assert drawn(EpochOrder(make(), 5), 2) == whole
    for start in (0, 1, 12, 39, len(whole)):
        assert drawn(EpochOrder(make(), 5), 2, start) == whole[start:]
    assert len(order) == len(whole)
    other_epoch, other_seed = drawn(order, 3), drawn(EpochOrder(make(), 6), 2)
    assert [index for index, _ in other_epoch] != [index for index, _ in whole]
    seeds = {seed for each in (whole, other_epoch, other_seed) for _, seed in each}
    assert len(seeds) == 3 * len(whole)


@SAMPLERS
def test_the_next_iteration_is_the_next_epoch(make):
    order = EpochOrder(make(), 5)
    expected = [drawn(order, 4), drawn(order, 5)]
    order.set_epoch(4, 7)
    first = [(int(draw), draw.seed) for draw in order]
    assert [first, [(int(draw), draw.seed) for draw in order]] == [expected[0][7:], expected[1]]


@SAMPLERS
def test_drawing_leaves_the_global_generators_as_they_are(make):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    list(EpochOrder(make(), 1))
    with augmentation(Draw(3, 2**62)):
        torch.rand(3), random.random(), np.random.rand()
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert all(np.array_equal(a, b) for a, b in zip(before[2], after[2], strict=True))


def test_without_a_seed_the_sampler_draws_as_ever():
    np.random.seed(8)
    random.seed(8)
    expected = list(NumPySampler())
    np.random.seed(8)
    random.seed(8)
    order = EpochOrder(NumPySampler(), None)
    order.set_epoch(0, 10)
    indices = list(order)
    assert indices == expected[10:]
    assert {type(index) for index in indices} == {int}
    before = torch.get_rng_state()
    with augmentation(indices[0]):
        torch.rand(1)
    assert not torch.equal(before, torch.get_rng_state())


class Noise(Dataset):
    """What the three generators give while an image is augmented."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        with augmentation(index):
            return index, torch.rand(1).item(), random.random(), np.random.rand()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_augmentation_does_not_depend_on_workers_or_on_where_the_epoch_starts(workers):
    order = EpochOrder(random_sampler(), 1)
    order.set_epoch(6)
    alone = [[index, *Noise()[index][1:]] for index in order]
    order.set_epoch(6, 8)
    loader = DataLoader(Noise(), batch_size=4, sampler=order, num_workers=workers)
    loaded = [
        list(row) for batch in loader for row in zip(*(c.tolist() for c in batch), strict=True)
    ]
    assert loaded == alone[8:]
    assert len({row[1] for row in alone}) == len(alone)


def test_what_is_sent_to_a_worker_stays_what_it_is():
    draw = pickle.loads(pickle.dumps([Draw(2, 7)]))[0]
    assert (draw, draw.seed, "abc"[draw]) == (2, 7, "c")
    order = EpochOrder(identity_sampler(), 5)
    assert order.num_instances == 4  # the wrapped sampler stays in reach
    assert not hasattr(order, "rebuild")
    assert len(pickle.loads(pickle.dumps(order))) == len(order)
