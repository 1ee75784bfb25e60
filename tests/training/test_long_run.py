"""Two thousand steps: memory and open files stay where they were after five hundred."""

import gc
import math
import os
import resource
from pathlib import Path

import pytest

from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder

STATM, DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")
FIRST, LAST = 500, 2000


def memory() -> float:
    """Resident memory of this process in MiB."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc")
def test_neither_memory_nor_open_files_grow(small_config):
    options = ("train.batch_size", "16", "data.workers", "1", "train.print_freq", "1000000")
    configuration = small_config(*options)
    engine = builder.build(configuration)
    configuration.train.max_epoch = math.ceil(LAST / len(engine.train_loader))
    figures = {}
    step, steps = engine.forward_backward, 0

    def counted(data):
        nonlocal steps
        summary = step(data)
        steps += 1
        if steps % 250 == 0:
            gc.collect()
            figures[steps] = memory(), len(os.listdir(DESCRIPTORS))
        return summary

    engine.forward_backward = counted
    engine.run(**schema.arguments(configuration, "run"))

    for taken, (mebibytes, files) in figures.items():
        print(f"step {taken}: {mebibytes:.1f} MiB, {files} open files")
    # Keeping no more than the features of each batch would be 117 MiB by the end.
    assert figures[LAST][0] - figures[FIRST][0] < 32
    assert abs(figures[LAST][1] - figures[FIRST][1]) <= 2
