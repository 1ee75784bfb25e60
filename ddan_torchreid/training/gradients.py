"""The gradients of a step: how large those of each term are, whether all are finite, and if not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from .. import distributed
from ..system.random_state import without_trace
from .engine_state import EngineState


def term_gradients(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], module: nn.Module
) -> dict[str, Tensor]:
    """L2 norm of each weighted term's own gradient with respect to a module's parameters.

    This shows how the terms of Eq. 9 compare, which their weights alone do not. The graph is kept
    and no ``.grad`` changes, so the step that follows is the same. Of several processes, the norm
    is that of the gradient of the global batch.

    Args:
        terms: scalars by name.
        weights: factor of each term; a term without one is left out.
        module: such as the mapping network.

    Returns:
        Scalars on the device, as ``gradient_<name of the term>``; of a frozen module none.
    """
    parameters = [each for each in module.parameters() if each.requires_grad]
    weighted = {name: weights[name] * term for name, term in terms.items() if name in weights}
    norms = {}
    for name, found in _of_each(weighted, parameters) if parameters else ():
        parts = [each.flatten() for each in found]
        joined = distributed.mean(torch.cat(parts)) if parts else terms[name].new_zeros(1)
        norms[f"gradient_{name}"] = torch.linalg.vector_norm(joined)
    return norms


def not_finite(optimizers: Iterable[torch.optim.Optimizer]) -> Tensor:
    """Whether a gradient that some optimisers would step with is not finite: 0 or 1, on the device.

    Not by a norm, which overflows for large gradients that are finite.
    """
    # From the optimisers, because a walk through the modules keeps a GPU waiting.
    gradients = [
        parameter.grad
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    if not gradients:
        return torch.zeros(())
    # As GradScaler does it, at scale 1: one operator for all of them.
    found = gradients[0].new_zeros(1, dtype=torch.float32)
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found, torch.ones_like(found))
    return found.squeeze(0)


def stop_training(engine: EngineState, data: dict[str, Any], losses: dict[str, float]) -> NoReturn:
    """Ends the training at a batch whose losses or gradients are not finite.

    The values of the losses, and path and labels of each image of the global batch, are written to
    ``non-finite-epoch-E-batch-B.json`` in the output folder.

    Raises:
        FloatingPointError: always; it names the term, the epoch, the batch and the file.
    """
    epoch, batch = engine.epoch + 1, engine.batch_idx + 1
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    problem = ", ".join(bad) or f"the gradient of {_terms_at_fault(engine, data)} is not finite"
    columns = data.get("impath", []), data["pid"].tolist(), data["dsetid"].tolist()
    images = [
        {"path": path, "pid": pid, "dsetid": domain}
        for path, pid, domain in zip(*columns, strict=False)
    ]
    record = {
        "epoch": epoch,
        "batch": batch,
        "problem": problem,
        # As text: JSON has no numbers that are not finite.
        "losses": {name: repr(value) for name, value in losses.items()},
        "images": [image for part in distributed.collect(images) for image in part],
    }
    listed = ""
    if engine.keeper is not None and distributed.is_first():
        path = engine.keeper.folder / f"non-finite-epoch-{epoch}-batch-{batch}.json"
        try:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            listed = f"; its images are listed in {path}"
        except OSError as error:  # the reason to stop matters more
            listed = f"; its images cannot be listed ({error.strerror})"
    raise FloatingPointError(
        f"{problem} in epoch {epoch}, batch {batch}; training stopped, and this batch has not "
        f"changed the weights{listed}. Lower the learning rate or the weight of this term"
    )


def _terms_at_fault(engine: EngineState, data: dict[str, Any]) -> str:
    """Names of the terms whose own gradients are not finite, from computing the batch again."""
    modules = [each for each in (engine.model, engine.discriminator) if each is not None]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = engine.objective.named_weights()
    with without_trace(*modules):
        terms = engine.losses(*engine.parse_data_for_train(data)).terms
        weighted = {name: weights.get(name, 1.0) * term for name, term in terms.items()}
        at_fault = [
            name
            for name, found in _of_each(weighted, parameters)
            if not all(bool(each.isfinite().all()) for each in found)
        ]
    # Each may be finite while their sum is not, or dropout has drawn other units this time.
    return " and ".join(at_fault or [f"the sum of {', '.join(terms)}"])


def _of_each(
    terms: Mapping[str, Tensor], parameters: Sequence[Tensor]
) -> Iterator[tuple[str, list[Tensor]]]:
    """The gradients of each term with respect to those parameters that it reaches."""
    for name, term in terms.items():
        found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        yield name, [each for each in found if each is not None]
