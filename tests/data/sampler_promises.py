"""Slow checks of every promise that MultiDomainIdentitySampler's docstring makes on an epoch."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import numpy as np

from ddan_torchreid.data.sampler import MultiDomainIdentitySampler


def make_source(domains: list[list[int]]) -> list[tuple[str, int, int, int]]:
    """Shuffled training list with ``domains[d][i]`` images of the i-th identity of domain d."""
    source, pid = [], 0
    for domain, counts in enumerate(domains):
        for count in counts:
            source += [(f"{domain}/{pid}_{n}.jpg", pid, 0, domain) for n in range(count)]
            pid += 1
    random.Random(0).shuffle(source)
    return source


def draw(sampler: MultiDomainIdentitySampler) -> np.ndarray:
    """(batches, P, K) indices of one epoch."""
    indices = list(sampler)
    assert len(indices) == len(sampler) == sampler.num_batches * sampler.batch_size
    assert all(type(index) is int for index in indices)
    return np.array(indices).reshape(sampler.num_batches, -1, sampler.num_instances)


def least_batches(groups: dict[int, list[int]], places: int) -> int:
    """The docstring's **Length**, by trying 1, 2, 3, ..."""
    totals = [sum(g) for g in groups.values()]
    largest = max(max(g) for g in groups.values())
    batches = 1
    while True:
        if len(totals) > places:
            fits = batches * places // len(totals) >= max(totals)
        else:
            needed = sum(max(total, batches) for total in totals)
            fits = needed <= batches * places and batches >= largest
        if fits:
            return batches
        batches += 1


def check_epoch(source: list, sampler: MultiDomainIdentitySampler) -> None:
    """Asserts all promises about one epoch."""
    epoch = draw(sampler)
    batches, places, instances = epoch.shape
    images = defaultdict(list)
    for index, (_, pid, _, domain) in enumerate(source):
        images[domain, pid].append(index)
    owner = {index: identity for identity, own in images.items() for index in own}
    groups = {identity: max(1, len(own) // instances) for identity, own in images.items()}
    by_domain = defaultdict(list)
    for (domain, _), count in groups.items():
        by_domain[domain].append(count)
    assert batches == least_batches(by_domain, places)

    shown: Counter = Counter()
    used: dict[tuple[int, int], Counter] = defaultdict(Counter)
    for batch in epoch.tolist():
        identities = []
        for group in batch:
            identity = owner[group[0]]
            assert {owner[index] for index in group} == {identity}
            assert len(set(group)) == min(instances, len(images[identity]))
            identities.append(identity)
            shown[identity] += 1
            used[identity].update(group)
        assert len(set(identities)) == places
        domains = {domain for domain, _ in identities}
        assert len(domains) == min(places, len(by_domain))

    for identity, own in images.items():
        assert shown[identity] >= groups[identity], "a group was left out"
        if len(own) < instances:
            assert set(used[identity]) == set(own)
            assert sum(used[identity].values()) == instances * shown[identity]
        elif shown[identity] == groups[identity]:
            assert max(used[identity].values()) == 1, "an image repeated within a cycle"
        cycles = -(-shown[identity] // groups[identity])
        if len(own) >= instances:
            assert max(used[identity].values()) <= cycles
    check_shares(slots_per_domain(epoch, owner), by_domain, places)
    for domain in by_domain:
        check_cycles(domain, shown, groups, batches)


def slots_per_domain(epoch: np.ndarray, owner: dict) -> dict[int, np.ndarray]:
    """(batches,) slots in each batch, for each domain."""
    domains = np.vectorize(lambda index: owner[index][0])(epoch[:, :, 0])
    return {domain: (domains == domain).sum(1) for domain in np.unique(domains).tolist()}


def check_shares(slots: dict[int, np.ndarray], groups: dict[int, list[int]], places: int) -> None:
    """Slots proportional to groups, within the limits, and level over the batches."""
    batches = len(next(iter(slots.values())))
    assert all(np.ptp(own) <= 1 for own in slots.values())
    total = {domain: int(own.sum()) for domain, own in slots.items()}
    if len(groups) > places:
        assert max(total.values()) - min(total.values()) <= 1
        return
    for d in groups:
        assert batches <= total[d] <= batches * len(groups[d])
        for e in groups:
            if total[d] < batches * len(groups[d]) and total[e] > batches:
                # e may not have a slot that d deserves more.
                assert (total[e] - 1) * sum(groups[d]) <= (total[d] + 1) * sum(groups[e])


def check_cycles(domain: int, shown: Counter, groups: dict, batches: int) -> None:
    """Whole cycles, at most one of them unfinished; an identity in every batch sits out."""
    own = [identity for identity in groups if identity[0] == domain]
    free = [identity for identity in own if shown[identity] < batches]
    if free:
        done = [shown[identity] / groups[identity] for identity in free]
        assert max(done) - min(done) <= 1
        assert all(shown[i] <= groups[i] * (int(min(done)) + 1) for i in own)
