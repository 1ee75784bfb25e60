"""What a training step does about a loss or a gradient that is not a finite number."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import torch

from .. import distributed
from ..system.random_state import without_trace
from .engine_state import EngineState


def stop(engine: EngineState, data: dict[str, Any], losses: dict[str, float]) -> NoReturn:
    """Ends the training at a batch whose losses or gradients are not finite.

    The values of the losses, and path and labels of each image of the global batch, are written to
    ``non-finite-epoch-E-batch-B.json`` in the output folder.

    Raises:
        FloatingPointError: always; it names the term, the epoch, the batch and the file.
    """
    epoch, batch = engine.epoch + 1, engine.batch_idx + 1
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    problem = ", ".join(bad) or f"the gradient of {terms_at_fault(engine, data)} is not finite"
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


def terms_at_fault(engine: EngineState, data: dict[str, Any]) -> str:
    """Names of the terms whose own gradients are not finite, from computing the batch again."""
    modules = [each for each in (engine.model, engine.discriminator) if each is not None]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = engine.objective.named_weights()
    at_fault = []
    with without_trace(*modules):
        terms = engine.losses(*engine.parse_data_for_train(data)).terms
        for name, term in terms.items():
            found = torch.autograd.grad(
                weights.get(name, 1.0) * term, parameters, retain_graph=True, allow_unused=True
            )
            if not all(bool(each.isfinite().all()) for each in found if each is not None):
                at_fault.append(name)
    # Each may be finite while their sum is not, or dropout has drawn other units this time.
    return " and ".join(at_fault or [f"the sum of {', '.join(terms)}"])
