"""One training step against that of torchreid's ImageTripletEngine."""

from __future__ import annotations

import torch

from . import training
from .results import Result
from .timing import Options, interleaved

TITLE = "a training step of MobileNetV2 x1.0, 64 images of 256x128, 18,530 identities"


def run(options: Options) -> Result:
    """Times both engines, torchreid's in both memory formats, ours with other options too."""
    result = Result("step", TITLE)
    torch.backends.cudnn.benchmark = True  # as torchreid's script sets it
    gpu = options.device.type == "cuda"
    kinds = [training.THEIRS, training.THEIRS_CHANNELS_LAST, training.OURS_FULL_PRECISION]
    if gpu:  # where the defaults are others
        kinds += [training.OURS, training.EAGER]
    steps = {kind: training.make_step(kind, options) for kind in kinds}
    others = [training.EAGER] if gpu else []
    compiled = training.COMPILED
    try:
        steps[compiled] = training.make_step(compiled, options)
        steps[compiled]()
        others.append(compiled)
    except (ValueError, RuntimeError) as error:  # such as for want of a compiler
        steps.pop(compiled, None)
        result.add(compiled, f"not measured: {str(error).splitlines()[0]}")
    if gpu:
        for step in steps.values():  # cuDNN tries its algorithms
            for _ in range(3):
                step()
    rounds = options.rounds_or(30 if gpu else 15)
    seconds = interleaved(steps, rounds, options.clock())
    theirs, channels_last = seconds[training.THEIRS], seconds[training.THEIRS_CHANNELS_LAST]
    full = seconds[training.OURS_FULL_PRECISION]
    default = seconds[training.OURS] if gpu else full
    alike = "same precision (float32) and memory format (channels_last)"
    result.compare(
        f"{alike}, cuda_graphs off" if gpu else alike,
        full,
        training.THEIRS_CHANNELS_LAST,
        channels_last,
        1.05,
    )
    result.compare("our defaults", default, training.THEIRS, theirs, 0.5 if gpu else 0.75)
    result.compare("torchreid in channels_last", channels_last, training.THEIRS, theirs)
    for kind in others:
        result.compare(kind, seconds[kind], "our defaults", default)
    return result
