"""What a training step does about a loss or a gradient that is not a finite number."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from .. import distributed
from ..system.random_state import without_trace


def stop(
    epoch: int,
    batch: int,
    data: dict[str, Any],
    losses: dict[str, float],
    at_fault: Callable[[], str],
    folder: Path | None,
) -> NoReturn:
    """Ends the training at a batch whose losses or gradients are not finite.

    The batch is written to ``<folder>/non-finite-epoch-E-batch-B.json``: the values of the losses,
    and path and labels of each image of the global batch.

    Args:
        epoch, batch: where the training is, both from 1. The batch has not changed the weights.
        data: the batch as it came from the loader.
        losses: values by term.
        at_fault: names the terms whose gradients are not finite; called where all losses are.
        folder: output folder of the run; None writes nothing.

    Raises:
        FloatingPointError: always; it names the term, the epoch, the batch and the file.
    """
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    what = ", ".join(bad) if bad else f"the gradient of {at_fault()}"
    record: dict[str, Any] = {
        "epoch": epoch,
        "batch": batch,
        "problem": what if bad else f"{what} is not finite",
        # Not a number in JSON, which has no word for them.
        "losses": {name: repr(value) for name, value in losses.items()},
        "images": [image for part in distributed.collect(_images(data)) for image in part],
    }
    listed = ""
    if folder is not None and distributed.is_first():
        path = folder / f"non-finite-epoch-{epoch}-batch-{batch}.json"
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


def terms_at_fault(
    modules: Sequence[nn.Module], weighted: Callable[[], Mapping[str, Tensor]]
) -> str:
    """Names of the terms whose own gradients are not finite, from computing the batch again.

    Args:
        modules: that the terms may have gradients for; what the computation leaves in their
            buffers is taken back.
        weighted: computes the weighted terms by name.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    at_fault = []
    with without_trace(*modules):
        terms = weighted()
        for name, term in terms.items():
            found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
            if not all(bool(each.isfinite().all()) for each in found if each is not None):
                at_fault.append(name)
    # Each may be finite while their sum is not, or dropout has drawn more kindly this time.
    return " and ".join(at_fault or [f"the sum of {', '.join(terms)}"])
