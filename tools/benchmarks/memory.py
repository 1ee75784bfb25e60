"""Peak memory of a training step."""

from __future__ import annotations

import torch

from . import training
from .memory_use import in_fresh_process, peak, resident
from .results import Result
from .sampler import synthetic_records
from .timing import Options

TITLE = "a training step of MobileNetV2 x1.0, 64 images of 256x128, 18,530 identities"


def run(options: Options) -> Result:
    """Measures each engine in a process of its own."""
    result = Result("memory", TITLE)
    kinds = [training.THEIRS, training.THEIRS_CHANNELS_LAST, training.OURS]
    if options.device.type == "cuda":
        kinds += [training.EAGER, training.OURS_FULL_PRECISION]
    used = {kind: in_fresh_process(peak_of_steps, kind, options) for kind in kinds}
    for kind, (most, _) in used.items():
        result.add(f"{kind}: peak", f"{most / 1e9:.2f} GB")
    pool = used[training.OURS][1]
    result.add("one copy of the pool", f"{pool / 1e9:.3f} GB")
    for ours in kinds[2:]:
        for kind in kinds[:2]:
            ratio = (used[ours][0] - 2 * pool) / used[kind][0]
            result.add(f"{ours} without two pool copies, of {kind}", f"{ratio:.2f}", "<= 1.1")
    return result


def peak_of_steps(kind: str, options: Options) -> tuple[int, int]:
    """Bytes at the peak of three steps beyond those of the bare process, and bytes of one pool."""
    torch.set_num_threads(options.threads)
    gpu = options.device.type == "cuda"
    before = 0 if gpu else resident()
    if gpu:
        torch.cuda.reset_peak_memory_stats(options.device)
    step = training.make_step(kind, options)
    for _ in range(3):
        step()
    most = torch.cuda.max_memory_allocated(options.device) if gpu else peak() - before
    identities = {record[1] for record in synthetic_records(options.size(1, 400))}
    return most, len(identities) * 1280 * 4
