"""One of several processes that train together: python -m tests.gpu.worker CONFIG FILE EXACTLY.

Trains what a configuration file says, and writes the end state of every network and of the pool.
EXACTLY 1: in float64, so that rounding does not hide what differs.
"""

import sys

import torch

from ddan_torchreid import config as configuration
from ddan_torchreid import distributed, training


def main(config_file, file, exactly):
    config = configuration.get_default_config()
    configuration.merge_file(config, config_file)
    with distributed.process_group():
        engine = training.build(config)
        assert engine.device.type == "cuda"
        if exactly == "1":
            in_float64(engine)
        engine.test = lambda *_, **__: 0.0
        engine.run(**configuration.arguments(config, "run"))
        torch.save(end_state(engine), f"{file}-{distributed.rank()}")


def in_float64(engine):
    for module in (engine.model, engine.discriminator, engine.pool):
        module.double()
    parse = engine.parse_data_for_train

    def prepared(data):
        images, *labels = parse(data)
        return images.double(), *labels

    engine.parse_data_for_train = prepared


def end_state(engine):
    parts = {"model": engine.bare_model, "discriminator": engine.discriminator}
    parts["pool"] = engine.pool
    return {
        f"{part}.{name}": value.cpu()
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
