"""One of several processes that train together: python -m tests.gpu.worker CONFIG FILE EXACTLY.

Trains what a configuration file says, and writes the end state of every network and of the pool.
EXACTLY 1: in float64, so that rounding does not hide what differs.
"""

import sys

import torch

from ddan_torchreid import distributed
from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder, registry
from tests.distributed.trainings import in_float64, state


def main(config_file, file, exactly):
    config = configuration.get_default_config()
    configuration.merge_file(config, config_file)
    names = [*config.data.sources, *config.data.targets]
    registry.register_own([f"{name}={config.data.root}/{name}" for name in names])
    with distributed.process_group():
        engine = builder.build(config)
        assert engine.device.type == "cuda"
        if exactly == "1":
            in_float64(engine, fixed_statistics=False)
        engine.test = lambda *_, **__: 0.0
        engine.run(**configuration.arguments(config, "run"))
        torch.save(state(engine), f"{file}-{distributed.rank()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
