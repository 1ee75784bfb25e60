"""torchreid's registries: what they hold, and the user's own datasets in them.

:mod:`ddan_torchreid.integration.registration` enters what this package brings.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torchreid

from ..data.datasets.own import OwnDataset, dataset_classes, stand_in

SAMPLER = "MultiDomainIdentitySampler"
TRANSFORMS = "ddan"
# torchreid's build_transforms ignores names that it does not know, so they are listed here.
TRANSFORM_NAMES = (
    TRANSFORMS,
    "random_flip",
    "random_crop",
    "random_patch",
    "color_jitter",
    "random_erase",
)


def register_own(flags: Sequence[str], read: Collection[str] | None = None) -> None:
    """Registers datasets of the user's own, each given as ``NAME=PATH``.

    Args:
        flags: what follows each ``--dataset``.
        read: names of the datasets that are wanted; the files of others are left alone. None: all.

    Raises:
        ValueError: see :func:`ddan_torchreid.data.datasets.own.dataset_classes`; also for a known
            name.
    """
    # An own name may be given again, for another run in the same process.
    known = [name for name, kind in datasets().items() if not issubclass(kind, OwnDataset)]
    datasets().update(dataset_classes(flags, known, read))


def register_stand_in(name: str, mode: str) -> str:
    """Registers :func:`ddan_torchreid.data.datasets.own.stand_in`; returns its name."""
    registered = f"stand-in:{name}"
    datasets()[registered] = stand_in(name, mode)
    return registered


def models() -> dict[str, Any]:
    """Factories by the names that torchreid's ``build_model`` accepts; its own table."""
    return torchreid.models.__dict__["__model_factory"]


def datasets() -> dict[str, type]:
    """Classes by the names that ``ImageDataManager`` accepts; torchreid's own table."""
    return torchreid.data.datasets.__dict__["__image_datasets"]


def samplers() -> list[str]:
    """Names of training samplers that ``ImageDataManager`` accepts."""
    return [*torchreid.data.sampler.AVAI_SAMPLERS, SAMPLER]
