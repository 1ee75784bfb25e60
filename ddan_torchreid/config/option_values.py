"""What the options of DDAN may be: their words, types and bounds, and hints for what is neither."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable
from typing import Any

WORDS = {
    "alignment": ("central", "pairwise", "cameras", "none"),
    "alignment_reaches": ("mapping", "encoder"),
    "discriminator_norm": ("batch", "none"),
    "neck": ("bn", "none"),
    "confusion": ("uniform", "entropy", "central"),
    "similarity_reduction": ("mean", "eq8"),
    "similarity_log": ("exact", "released"),
    "bad_images": ("error", "skip"),
    "pool_device": ("model", "cpu"),
    "evaluator": ("ddan", "torchreid"),
    "amp": ("auto", "off", "bf16", "fp16"),
    "cuda_graphs": ("auto", "on", "off"),
    "progress": ("auto", "off"),
}
LARGEST = 3.4028234e38  # of float32, in which the losses are weighted
NOT_NEGATIVE = (
    "weight_identity",
    "weight_triplet",
    "weight_adversarial",
    "weight_similarity",
    "weight_camera",
    "average",
    "discriminator_rate",
    "margin",
    "checkpoint_every_minutes",
)
LEAST = {
    "top_k": 1,
    "hidden_dim": 1,
    "similarity_start_epoch": 0,
    "evaluation_splits": 0,
    "splits_seed": 0,
    "checkpoint_every_epochs": 0,
    "keep_checkpoints": 0,
    "accumulate_steps": 1,
    "warmup_steps": 0,
    "alignment_ramp": 0,
    "log_gradients": 0,
}


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest valid one, or all of them when none is near."""
    valid = list(valid)
    # Of a few, all can be read: only a slip of the pen is not answered with them.
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.75 if len(valid) <= 5 else 0.5)
    return f"did you mean {close[0]!r}?" if close else f"write one of {', '.join(valid)}"


def check_kind(name: str, value: Any, default: Any) -> None:
    """Refuses a value of another type than the default's.

    Raises:
        ValueError: the message names the option and the type.
    """
    # Python takes True for 1, and a text for true: neither is what was meant.
    kinds: dict[type, tuple[Any, str]] = {
        bool: (bool, "True or False"),
        int: (numbers.Integral, "a whole number"),
        float: (numbers.Real, "a number"),
        str: (str, "text"),
        type(None): ((numbers.Integral, type(None)), "a whole number or None"),
    }
    kind, words = kinds[type(default)]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name}={value!r} must be {words}, such as {default!r}")
