"""One training step against that of torchreid's ImageTripletEngine."""

from __future__ import annotations

import torch

from . import training
from .results import Result
from .timing import Options, interleaved

TITLE = "a training step of MobileNetV2 x1.0, 64 images of 256x128, 18,530 identities"


def run(options: Options) -> Result:
    """Times both engines, torchreid's in both memory formats, ours in its default precision too."""
    result = Result("step", TITLE)
    torch.backends.cudnn.benchmark = True  # as torchreid's script sets it
    kinds = [training.THEIRS, training.THEIRS_CHANNELS_LAST, training.OURS_FULL_PRECISION]
    gpu = options.device.type == "cuda"
    if gpu:  # where the default precision is another one
        kinds.append(training.OURS)
    steps = {kind: training.make_step(kind, options) for kind in kinds}
    if options.device.type == "cpu":
        rounds = options.rounds_or(5)
    else:
        rounds = options.rounds_or(30)
        for step in steps.values():  # cuDNN tries its algorithms
            for _ in range(3):
                step()
    seconds = interleaved(steps, rounds, options.clock())
    plain, channels_last = (
        seconds[training.THEIRS],
        seconds[training.THEIRS_CHANNELS_LAST],
    )
    full = seconds[training.OURS_FULL_PRECISION]
    default = seconds[training.OURS] if gpu else full
    result.compare(
        "same precision (float32) and memory format (channels_last)",
        full,
        training.THEIRS_CHANNELS_LAST,
        channels_last,
        1.05,
    )
    result.compare("our defaults", default, training.THEIRS, plain, 0.5 if gpu else 0.75)
    result.compare("torchreid in channels_last", channels_last, training.THEIRS, plain)
    return result
