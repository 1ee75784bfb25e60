"""Trainings that several processes do as one does, and their end state."""

from torch import nn

from ddan_torchreid import distributed


def in_float64(engine, fixed_statistics=True):
    """Lets an engine train in float64, and leaves its tests out.

    Batch norms of the model keep the statistics that they have: those of its own part of a batch
    would be others in each process.
    """
    for module in (engine.model, engine.discriminator, engine.pool):
        if module is not None:
            module.double()
    parse = engine.parse_data_for_train

    def prepared(data):
        for module in engine.model.modules() if fixed_statistics else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        images, *labels = parse(data)
        return images.double(), *labels

    engine.parse_data_for_train = prepared
    engine.test = lambda *_, **__: 0.0


def parted(batch, pieces=1):
    """Batches for this process that are, of all processes together, the whole batch."""
    size = len(batch["pid"]) // (pieces * distributed.size())
    starts = [(piece * distributed.size() + distributed.rank()) * size for piece in range(pieces)]
    return [{key: each[at : at + size] for key, each in batch.items()} for at in starts]


def state(engine):
    parts = {"model": engine.bare_model, "discriminator": engine.discriminator}
    parts["pool"] = engine.pool
    return {
        f"{part}.{name}": value.cpu().clone()
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
