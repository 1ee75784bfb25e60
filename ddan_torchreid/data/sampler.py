"""Identity batches that hold every source domain throughout the epoch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Ints = NDArray[np.int64]
GOLDEN_RATIO = (1 + 5**0.5) / 2


class MultiDomainIdentitySampler(Sampler):
    """Batches of P = ``batch_size / num_instances`` identities x K = ``num_instances`` images.

    The domain discriminator of DDAN (Eqs. 4 and 5) needs images of the central and of peripheral
    domains in each batch; drawing identities at random runs out of the central domain, whose
    identities have few images, before the epoch ends. This sampler plans the epoch instead.

    **Groups.** An identity (a ``pid`` within a ``dsetid``) with n images has g = max(1, n // K)
    groups of K images. For n >= K the images of an identity's groups are distinct, and the n - g K
    left over are drawn anew each epoch. For n < K the group holds every image, and K - n further
    draws with replacement.

    **Batch.** P distinct identities, always, each as K consecutive indices; identities of all
    domains in random order.

    **Domains within a batch.** With D <= P domains, each domain has at least one identity in each
    batch. The slots of the epoch are shared in proportion to the domains' groups, but at least one
    and at most as many per batch as the domain has identities (what it cannot use goes to the
    others). A domain with S slots in B batches has floor(S / B) or ceil(S / B) of them in a batch,
    and the larger batches are spread evenly: up to any moment of an epoch of 10,000 batches or
    fewer, a domain is within 4 slots of its even share. With D > P the domains rotate: each batch
    holds P different domains, and all domains occur equally often (to within one).

    **Length.** B is the smallest number of batches in which every group of every domain has a
    slot. So B P >= number of groups, and B >= groups of any one identity, since a batch holds an
    identity once; with D > P, B is the smallest number with floor(B P / D) >= groups of any
    domain. ``len(sampler) == B * batch_size`` is exact and the same in each epoch.

    **Recycling.** A domain with more slots than groups goes through its identities again, each
    cycle with newly drawn groups. An identity that already has a place in each batch sits out, and
    the last cycle is cut off at random identities.

    **Randomness.** The order is a function of ``(seed, epoch)`` and of the order of
    ``data_source`` only; global random states are neither read nor changed. The first ``iter``
    draws epoch 0 and each further one the next; ``set_epoch`` chooses the epoch of the next one.

    Args:
        data_source: tuples ``(path, pid, camid, dsetid)``; without ``dsetid``, one domain.
        batch_size: images per batch, P x K.
        num_instances: K, images per identity in a batch.
        seed: non-negative.

    Raises:
        ValueError: K < 1, ``batch_size`` no multiple of K, fewer than P identities, or no images.
    """

    def __init__(
        self, data_source: Sequence[Any], batch_size: int, num_instances: int, seed: int = 0
    ) -> None:
        _check_batch(batch_size, num_instances)
        if len(data_source) == 0:
            raise ValueError("data_source is empty: give a list of (path, pid, camid, dsetid)")
        self.batch_size = batch_size
        self.num_instances = num_instances
        self.seed = seed
        self.epoch = 0

        # Identities are numbered domain by domain, so that a domain is a range of identities.
        domain = [item[3] if len(item) > 3 else 0 for item in data_source]
        _, domains = np.unique(domain, return_inverse=True)
        _, pids = np.unique([item[1] for item in data_source], return_inverse=True)
        persons = pids.max() + 1
        keys = domains * persons + pids
        keys, identities, counts = np.unique(keys, return_inverse=True, return_counts=True)
        places = batch_size // num_instances
        if len(counts) < places:
            raise ValueError(
                f"{len(counts)} identities cannot fill a batch of {places} of them "
                f"(batch_size={batch_size} / num_instances={num_instances}): write batch_size="
                f"{len(counts) * num_instances} or less"
            )
        self._images: Ints = np.argsort(identities, kind="stable")  # identity by identity
        self._num_images: Ints = counts
        self._groups: Ints = np.maximum(1, counts // num_instances)
        self._num_identities: Ints = np.bincount(keys // persons)
        by_domain = np.split(self._groups, self._num_identities.cumsum()[:-1])
        slots, self.num_batches = _share_slots(by_domain, places)
        self._slots: Ints = _spread_slots(slots, self.num_batches)

    def __len__(self) -> int:
        """Images per epoch: the exact number of indices that one ``iter`` yields."""
        return self.num_batches * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (>= 0) that the next ``iter`` draws."""
        if epoch < 0:
            raise ValueError(f"epoch={epoch} is negative: write 0 or more")
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Indices into ``data_source`` of one epoch; advances ``epoch``."""
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        orders, shown, batches = [], [], []
        start = 0
        for size, slots in zip(self._num_identities, self._slots.T, strict=True):
            orders.append(start + rng.permutation(size))
            shown.append(self._times_shown(orders[-1], slots.sum()))
            batches.append(_place(shown[-1], slots, rng))
            start += size
        order, times, batch = map(np.concatenate, (orders, shown, batches))
        shuffle = rng.permutation(len(batch))
        by_batch = shuffle[np.argsort(batch[shuffle], kind="stable")]
        identity, occurrence = np.repeat(order, times)[by_batch], _count_up(times)[by_batch]
        images = self._draw_images(times[np.argsort(order)], identity, occurrence, rng)
        return iter(images.ravel().tolist())

    def _times_shown(self, order: Ints, slots: int) -> Ints:
        """How often each identity of a domain occurs in the epoch; ``order`` decides who is cut."""
        groups = self._groups[order]
        limit = self.num_batches
        cycles = bisect_right(
            range(1, limit + 1), slots, key=lambda n: np.minimum(n * groups, limit).sum()
        )
        full = np.minimum(cycles * groups, limit)
        room = np.minimum(groups, limit - full)
        before = room.cumsum() - room
        return full + np.clip(slots - full.sum() - before, 0, room)

    def _draw_images(
        self, shown: Ints, identity: Ints, occurrence: Ints, rng: np.random.Generator
    ) -> Ints:
        """Image indices (slots, K) of each slot's identity; ``shown`` is (identities,)."""
        # One shuffled copy of an identity's images per cycle through its groups, all in one sort.
        cycles = -(-shown // self._groups)
        owner = np.repeat(np.arange(len(shown)), cycles)
        length = self._num_images[owner]
        start = length.cumsum() - length
        first_image = self._num_images.cumsum() - self._num_images
        images = np.repeat(first_image[owner], length) + _count_up(length)
        keys = np.repeat(np.arange(len(owner)), length) + rng.random(len(images))
        # Stable, so that a fraction that rounds up to 1 does not leave its identity.
        images = self._images[images[np.argsort(keys, kind="stable")]]

        groups = self._groups[identity]
        copy = (cycles.cumsum() - cycles)[identity] + occurrence // groups
        position = (occurrence % groups * self.num_instances)[:, None]
        position = position + np.arange(self.num_instances)
        num_images = np.broadcast_to(self._num_images[identity][:, None], position.shape)
        missing = position >= num_images  # only where an identity has fewer than K images
        position[missing] = rng.integers(num_images[missing])
        return images[start[copy][:, None] + position]


def _check_batch(batch_size: int, num_instances: int) -> None:
    if num_instances < 1:
        raise ValueError(f"num_instances={num_instances} is too small: write 1 or more")
    if batch_size < num_instances:
        raise ValueError(
            f"batch_size={batch_size} is smaller than num_instances={num_instances}: "
            f"write batch_size={num_instances} or more"
        )
    if batch_size % num_instances:
        fitting = batch_size - batch_size % num_instances
        raise ValueError(
            f"batch_size={batch_size} is not a multiple of num_instances={num_instances}: "
            f"write batch_size={fitting} or batch_size={fitting + num_instances}"
        )


def _count_up(lengths: Ints) -> Ints:
    """0 .. length - 1 for each length, one after the other."""
    return np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)


def _share_slots(groups: list[Ints], places: int) -> tuple[Ints, int]:
    """Slots of each domain over the epoch (D,), and the number of batches B.

    Args:
        groups: for each domain, the groups of each of its identities.
        places: P, identities per batch.
    """
    totals = np.array([domain.sum() for domain in groups])
    num_domains = len(totals)
    if num_domains > places:
        batches = int(-(-totals.max() * num_domains // places))
        low = np.full(num_domains, batches * places // num_domains)
        high = np.full(num_domains, -(-batches * places // num_domains))
    else:
        # Least B with sum(max(groups, B)) <= P B, approached from below.
        batches = int(max(-(-totals.sum() // places), *(domain.max() for domain in groups)))
        while (need := int(-(-np.maximum(totals, batches).sum() // places))) > batches:
            batches = need
        low = np.full(num_domains, batches)
        high = np.array([len(domain) for domain in groups]) * batches

    # Shares grow with a common factor n / scale, in steps that add at most one slot to a domain;
    # all numbers stay integers, so every platform shares alike.
    scale = int(totals.max())

    def share(n: int) -> Ints:
        return np.clip(n * totals // scale, low, high)

    steps = range(scale, int((high * scale // totals).max()) + 2)
    n = steps[bisect_right(steps, batches * places, key=lambda n: share(n).sum()) - 1]
    slots = share(n)
    growing = np.flatnonzero(share(n + 1) > slots)
    growing = growing[np.argsort(-(n * totals % scale)[growing], kind="stable")]
    slots[growing[: batches * places - slots.sum()]] += 1
    return slots, batches


def _spread_slots(slots: Ints, batches: int) -> Ints:
    """Slots of each domain in each batch (B, D): rows sum to P, columns to ``slots``.

    A domain's whole slots per batch are the same everywhere. The rest is systematic sampling: each
    batch reads the domains' cumulated remainders from its own offset. Every offset 0 .. B - 1
    occurs once, so totals are exact (Hermite's identity), and the offsets follow the multiples of
    the golden ratio, so that any stretch of batches sees an even sample of them.
    """
    whole, rest = np.divmod(slots, batches)
    offset = np.argsort(np.argsort(np.arange(batches) * GOLDEN_RATIO % 1))
    marks = np.concatenate([[0], rest.cumsum()])
    return whole + np.diff((marks + offset[:, None]) // batches, axis=1)


def _place(times: Ints, slots: Ints, rng: np.random.Generator) -> Ints:
    """Batch of each occurrence, identity by identity, no batch twice for the same identity.

    Args:
        times: occurrences of each identity, at most the number of batches B each; sums to
            ``slots.sum()``.
        slots: (B,) slots of the domain in each batch, differing by at most one.

    Occurrences fill one row of slots after the other: first the batches that have a slot more than
    the rest, then all batches once per row, in random order. As an identity occurs at most B times
    it reaches into one further row at most, and there it takes the batches it does not have yet.
    """
    batches = len(slots)
    ends = times.cumsum()
    larger = np.flatnonzero(slots > slots.min())
    placed = np.empty(ends[-1], dtype=np.int64)
    placed[: len(larger)] = rng.permutation(larger)
    for start in range(len(larger), len(placed), batches):
        identity = np.searchsorted(ends, start, side="right")
        order = rng.permutation(batches)
        taken = np.isin(order, placed[ends[identity] - times[identity] : start])
        placed[start : start + batches] = order[np.argsort(taken, kind="stable")]
    return placed
