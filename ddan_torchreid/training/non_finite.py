"""What a training step does about a loss or a gradient that is not a finite number."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from .. import distributed
from ..system.random_state import without_trace

if TYPE_CHECKING:
    from ..engine import ImageDDANEngine


def stop(engine: ImageDDANEngine, data: dict[str, Any], losses: dict[str, float]) -> NoReturn:
    """Ends the training at a batch whose losses or gradients are not finite.

    The batch is written to ``<save_dir>/non-finite-epoch-E-batch-B.json``: the values of the
    losses, and path and labels of each image of the joined batch.

    Args:
        engine: the engine, whose weights have not been changed by this batch.
        data: the batch as it came from the loader.
        losses: values by term.

    Raises:
        FloatingPointError: always; it names the term, the epoch, the batch and the file.
    """
    epoch, batch = engine.epoch + 1, engine.batch_idx + 1
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    what = ", ".join(bad) if bad else f"the gradient of {_terms_at_fault(engine, data)}"
    record: dict[str, Any] = {
        "epoch": epoch,
        "batch": batch,
        "problem": what if bad else f"{what} is not finite",
        # Not a number in JSON, which has no word for them.
        "losses": {name: repr(value) for name, value in losses.items()},
        "images": [image for part in distributed.collect(_images(data)) for image in part],
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
        f"{what if bad else what + ' is not finite'} in epoch {epoch}, batch {batch}; training "
        f"stopped, and this batch has not changed the weights{listed}. Lower the learning rate or "
        "the weight of this term"
    )


def _images(data: dict[str, Any]) -> list[dict[str, Any]]:
    columns = (data.get("impath", []), data["pid"].tolist(), data["dsetid"].tolist())
    return [
        {"path": path, "pid": pid, "dsetid": domain}
        for path, pid, domain in zip(*columns, strict=False)
    ]


def _terms_at_fault(engine: ImageDDANEngine, data: dict[str, Any]) -> str:
    """Names of the terms whose own gradients are not finite, from computing the batch again."""
    modules = [engine.model] + ([engine.discriminator] if engine.discriminator else [])
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    at_fault = []
    with without_trace(*modules):
        terms, _, _ = engine.loss_terms(*engine.parse_data_for_train(data))
        for name, term in terms.items():
            loss = engine.objective.weights.get(name, 1.0) * term
            found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            if not all(bool(each.isfinite().all()) for each in found if each is not None):
                at_fault.append(name)
    # Each may be finite while their sum is not, or dropout has drawn more kindly this time.
    return " and ".join(at_fault or [f"the sum of {', '.join(terms)}"])
