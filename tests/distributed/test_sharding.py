"""The parts of a batch that the processes get."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchreid
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from ddan_torchreid import MultiDomainIdentitySampler, distributed
from ddan_torchreid.data.order import EpochOrder
from ddan_torchreid.data.sharding import ShardedSampler, shard_test_loader, shard_train_loader
from tests.distributed.launch import run

K = 4
# (path, pid, camid, dsetid): domain 0 is the largest, identities have 2 to 9 images.
TRAIN = [
    (f"{pid}_{number}.jpg", pid, 0, 0 if pid < 30 else 1 if pid < 45 else 2)
    for pid in range(60)
    for number in range(2 + pid % 8)
]
PIDS, DOMAINS = (np.array([item[column] for item in TRAIN]) for column in (1, 3))


def draw(sampler, batch_size, epochs=(0, 1)):
    sharded = ShardedSampler(EpochOrder(sampler, None), TRAIN, batch_size)
    drawn = []
    for epoch in epochs:
        sharded.set_epoch(epoch)
        drawn.append(list(sharded))
    return len(sharded), drawn


def batches(indices, batch_size):
    """(batches, groups, K) of a list of indices."""
    return np.array(indices).reshape(-1, batch_size // K, K)


@pytest.mark.parametrize(("processes", "batch_size"), [(2, 48), (3, 48), (3, 12)])
def test_each_process_gets_its_part_of_the_batches_of_one_process(processes, batch_size):
    sampler = MultiDomainIdentitySampler(TRAIN, batch_size, K, seed=5)
    results = run(processes, draw, sampler, batch_size)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        whole = batches(list(sampler), batch_size)
        parts = [batches(drawn[epoch], batch_size // processes) for _, drawn in results]
        assert all(len(drawn[epoch]) == length for length, drawn in results)
        together = np.concatenate(parts, axis=1)
        for expected, found in zip(whole, together, strict=True):
            assert sorted(expected.tolist()) == sorted(found.tolist())
        for part in parts:
            assert (PIDS[part] == PIDS[part][..., :1]).all()
            for domain in range(3):
                in_part = (DOMAINS[part[..., 0]] == domain).sum(axis=1)
                in_batch = (DOMAINS[whole[..., 0]] == domain).sum(axis=1)
                assert (in_part >= in_batch // processes).all()
                assert (in_part <= -(-in_batch // processes)).all()
                others = batch_size // K - in_batch
                # Each process can be shown central and peripheral identities, whichever is which.
                assert (in_part[in_batch >= processes] > 0).all()
                assert (part.shape[1] - in_part[others >= processes] > 0).all()


def test_who_gets_one_more_of_a_domain_rotates():
    # Three identities of domain 2 in each batch, for two processes.
    sampler = MultiDomainIdentitySampler(TRAIN, 48, K, seed=5)
    (_, (first, *_)), (_, (second, *_)) = run(2, draw, sampler, 48)
    shares = [(DOMAINS[batches(part, 24)[..., 0]] == 2).sum(axis=1) for part in (first, second)]
    assert abs(shares[0] - shares[1]).tolist() == [1] * len(shares[0])
    assert abs(shares[0].sum() - shares[1].sum()) <= 1


def test_samplers_that_use_the_global_random_state():
    for sampler, groups in (
        (torchreid.data.sampler.RandomIdentitySampler(TRAIN, 24, K), K),
        (torchreid.data.sampler.RandomDatasetSampler(TRAIN, 24, 3), 1),
        (RandomSampler(TRAIN), 1),
    ):
        results = run(2, draw_unseeded, sampler)
        (length, first), (other_length, second) = results
        assert length == other_length
        assert len(first) == len(second) > 0
        identity = PIDS[np.array([first, second])].reshape(2, -1, groups)
        assert (identity == identity[..., :1]).all()
        if groups == 1:
            assert len({*first, *second}) == len(first) + len(second)


def draw_unseeded(sampler):
    torchreid.utils.set_random_seed(100 + distributed.rank())
    length, (drawn,) = draw(sampler, 24, epochs=(0,))
    return length, drawn


def refuse(batch_size, num_instances, says):
    sampler = MultiDomainIdentitySampler(TRAIN, batch_size, num_instances)
    with pytest.raises(ValueError, match=says):
        ShardedSampler(sampler, TRAIN, batch_size)


@pytest.mark.parametrize(
    ("processes", "batch_size", "num_instances", "possible"),
    [(2, 12, 4, 8), (3, 8, 4, 12), (2, 2, 1, 4)],
)
def test_a_batch_that_cannot_be_shared_out_is_refused(
    processes, batch_size, num_instances, possible
):
    run(processes, refuse, batch_size, num_instances, f"write train.batch_size {possible} ")


def load(images):
    loader = DataLoader(TensorDataset(torch.arange(images)), batch_size=4)
    features = torch.cat([batch for (batch,) in shard_test_loader(loader)])
    return len(features), distributed.gather_in_turn(features, images)


@pytest.mark.parametrize("images", [2, 10, 12])
def test_test_images_are_dealt_in_turn_and_come_back_in_order(images):
    for share, features in run(3, load, images):
        assert share == -(-images // 3)
        assert features.tolist() == list(range(images))


def load_training_batches(loader):
    manager = SimpleNamespace(train_loader=loader)
    shard_train_loader(manager)
    sharded = manager.train_loader
    return len(sharded), [batch.tolist() for batch in sharded]


class Train(list):
    """A dataset of the numbers of its images."""

    train = TRAIN

    def __getitem__(self, index):
        return index


def test_the_training_loader_has_the_same_number_of_smaller_batches():
    sampler = MultiDomainIdentitySampler(TRAIN, 24, K)
    loader = DataLoader(Train(TRAIN), batch_size=24, sampler=sampler, drop_last=True)
    (batches_, first), (_, second) = run(2, load_training_batches, loader)
    sampler.set_epoch(0)
    for one, other, whole in zip(first, second, loader, strict=True):
        assert sorted([*one, *other]) == sorted(whole.tolist())
    assert batches_ == len(loader) == len(first)
    manager = SimpleNamespace(train_loader=loader)
    shard_train_loader(manager)
    assert manager.train_loader is loader
    assert shard_test_loader(loader) is loader
