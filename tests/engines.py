"""Engines of the small configuration in the middle of a run, and what there is to compare."""

import torch
from torch import nn


def first_batch(engine):
    return next(iter(engine.train_loader))


def prepared(engine):
    """The engine in training mode with a filled pool, as in the middle of a run."""
    engine.epoch, engine.batch_idx = 1, 0
    engine.set_model_mode("train")
    if engine.pool is not None:
        generator = torch.Generator().manual_seed(0)
        rows = len(engine.pool.identity_domains)
        engine.pool.start_epoch()
        features = torch.rand(rows, engine.pool.representations.shape[1], generator=generator)
        engine.pool.update(features, torch.arange(rows))
    return engine


def reached(loss, engine):
    """Which networks a loss has a gradient for."""
    parts = {name: getattr(engine.model, name) for name in ("encoder", "mapping")}
    parts["head"] = nn.ModuleList([engine.model.neck, engine.model.classifier])
    parts["discriminator"] = engine.discriminator
    names, parameters = zip(
        *[(name, p) for name, part in parts.items() for p in part.parameters()], strict=True
    )
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    hit = zip(names, gradients, strict=True)
    return {name for name, g in hit if g is not None and g.abs().max() > 0}


def trained(small_engine, tmp_path, epochs, *options):
    engine = small_engine(*options)
    engine.run(max_epoch=epochs, start_epoch=0, save_dir=str(tmp_path), print_freq=100, eval_freq=1)
    return engine


def all_state(engine):
    return {name: engine._models[name].state_dict() for name in engine.get_model_names()}


def spoil_gradient(monkeypatch, engine, term):
    """Adds 0 to a term, by a root whose derivative at 0 is infinite."""
    name = "identity" if term == "loss_id" else term.removeprefix("loss_")
    original = getattr(engine.objective, name)

    def spoilt(given, *others):
        return original(given, *others) + (given.sum() * 0).sqrt()

    monkeypatch.setattr(engine.objective, name, spoilt)


def weights(engine):
    networks = (engine.model, engine.discriminator)
    named = [pair for network in networks for pair in network.named_parameters()]
    return [(name, value.clone()) for name, value in named]


def weights_and_pool(engine):
    pool = [(name, value.clone()) for name, value in engine.pool.named_buffers()]
    return [*weights(engine), *pool]
