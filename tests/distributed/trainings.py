"""Trainings that several processes do as one does, and their end state."""


def in_float64(engine, before=lambda: None):
    """Lets an engine train in float64, and calls something before each batch."""
    for module in (engine.model, engine.discriminator, engine.pool):
        module.double()
    parse = engine.parse_data_for_train

    def prepared(data):
        before()
        images, *labels = parse(data)
        return images.double(), *labels

    engine.parse_data_for_train = prepared
    engine.test = lambda *_, **__: 0.0


def state(engine):
    parts = {"model": engine.bare_model, "discriminator": engine.discriminator}
    parts["pool"] = engine.pool
    return {
        f"{part}.{name}": value.cpu().clone()
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
