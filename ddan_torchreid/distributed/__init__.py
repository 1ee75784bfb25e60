"""Training with several processes through PyTorch's DistributedDataParallel.

``torchrun --nproc-per-node N -m ddan_torchreid train ...`` starts N of them, each on a GPU of its
own or all on the CPU. ``train.batch_size`` counts the images of all together, and the batches and
their augmentation are those of one process, so that runs compare whatever N is. The output folder
must be one that all machines share, for resuming.

In a run of one process every function here is the identity or does nothing, so the code that uses
them needs no case of its own.

Each process forwards its own part of the batch. Behind the mapping network all of them work on the
*global batch*, the parts of all processes one after the other: the triplet term finds its
negatives in it, the discriminator sees it whole, and the ID pool is updated with it. All processes
so compute the same terms and the same pool as one process with the whole batch would.
"""

from .collectives import (
    average_gradients,
    check_alike,
    collect,
    differs,
    gather,
    gather_in_turn,
    largest,
    mean,
    mean_numbers,
    normalise_jointly,
    own,
    parallel,
    send_from_first,
    share,
    unwrapped,
)
from .processes import active, device, in_turn, is_first, process_group, rank, size

__all__ = [
    "active",
    "average_gradients",
    "check_alike",
    "collect",
    "device",
    "differs",
    "gather",
    "gather_in_turn",
    "in_turn",
    "is_first",
    "largest",
    "mean",
    "mean_numbers",
    "normalise_jointly",
    "own",
    "parallel",
    "process_group",
    "rank",
    "send_from_first",
    "share",
    "size",
    "unwrapped",
]
