"""One epoch of the multi-domain identity sampler against torchreid's RandomIdentitySampler."""

from __future__ import annotations

import random
import sys
from functools import partial

import numpy as np
import torchreid
from numpy.typing import NDArray

from ddan_torchreid.data.sampler import MultiDomainIdentitySampler

from .results import Result
from .timing import Options, interleaved

TITLE = "one epoch of the paper's 121,765 images of 18,530 identities, batches of 16 x 4"
# Images and identities of CUHK02, CUHK03, Market-1501, DukeMTMC-reID and CUHK-SYSU (central).
SETS = ((7264, 1816), (14097, 1467), (29419, 1501), (36411, 1812), (34574, 11934))
CENTRE = 4
BATCH, INSTANCES = 64, 4


def run(options: Options) -> Result:
    """Times the drawing of an epoch, and counts where the central domain's images are."""
    result = Result("sampler", TITLE)
    records = synthetic_records(options.size(1, 50))
    # Not among torchreid.data's own names in any release.
    module = sys.modules[f"{torchreid.data.__name__}.sampler"]
    samplers = {
        "ours": MultiDomainIdentitySampler(records, BATCH, INSTANCES),
        "torchreid": module.RandomIdentitySampler(records, BATCH, INSTANCES),
    }
    random.seed(0)
    np.random.seed(0)
    seconds = interleaved(
        {name: partial(list, each) for name, each in samplers.items()},
        options.rounds_or(7),
        options.clock(),
    )
    result.compare("one epoch", seconds["ours"], "torchreid", seconds["torchreid"], 0.05)
    central = np.array([record[3] == CENTRE for record in records])
    for name, sampler in samplers.items():
        without, tenths = _shares(np.array(list(sampler)), central)
        ours = name == "ours"
        result.add(
            f"{name}: batches without a central image", f"{without:.2%}", "<= 1%" if ours else ""
        )
        result.add(
            f"{name}: central share of the tenths of an epoch",
            f"{tenths.min():.3f} to {tenths.max():.3f}, mean {tenths.mean():.3f}",
            "within 10% of the mean" if ours else "",
        )
    return result


def synthetic_records(fraction: int = 1) -> list[tuple[str, int, int, int]]:
    """Records (path, pid, camid, dsetid) in the numbers of the five sets, or a fraction of them.

    Two images an identity at least, the rest given out at random; no file exists.
    """
    rng = np.random.default_rng(0)
    records, pid = [], 0
    for domain, (images, identities) in enumerate((i // fraction, p // fraction) for i, p in SETS):
        more = rng.multinomial(images - 2 * identities, np.full(identities, 1 / identities))
        for count in (more + 2).tolist():
            records += [(f"{domain}/{pid}_{n}.jpg", pid, n % 2, domain) for n in range(count)]
            pid += 1
    return records


def _shares(indices: NDArray, central: NDArray) -> tuple[float, NDArray]:
    """Share of batches without a central image, and central share of each tenth of the epoch."""
    # torchreid's last batch may be cut off.
    batches = central[indices[: len(indices) // BATCH * BATCH]].reshape(-1, BATCH)
    tenths = [part.mean() for part in np.array_split(batches, 10)]
    return float((~batches.any(axis=1)).mean()), np.array(tenths)
