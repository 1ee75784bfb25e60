"""torchreid's registries: what they hold, and the user's own datasets in them.

:mod:`ddan_torchreid.integration.registration` enters what this package brings.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from typing import Any

import torchreid

from ..data.datasets.own import OwnDataset, dataset_classes, stand_in

SAMPLER = "MultiDomainIdentitySampler"
TRANSFORMS = "ddan"
# torchreid's build_transforms ignores names that it does not know, so they are listed here.
TORCHREID_TRANSFORMS = (
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
    datasets = registry_of(torchreid.data.datasets, "__image_datasets")
    # An own name may be given again, for another run in the same process.
    known = [name for name, kind in datasets.items() if not issubclass(kind, OwnDataset)]
    wanted = [flag.partition("=")[0] for flag in flags] if read is None else read
    datasets.update(dataset_classes(flags, known, wanted))


def register_stand_in(name: str, mode: str) -> str:
    """Registers :func:`ddan_torchreid.data.datasets.own.stand_in`; returns its name."""
    registered = f"stand-in:{name}"
    registry_of(torchreid.data.datasets, "__image_datasets")[registered] = stand_in(name, mode)
    return registered


def model_names() -> list[str]:
    """Names that ``torchreid.models.build_model`` accepts."""
    return list(registry_of(torchreid.models, "__model_factory"))


def dataset_names() -> list[str]:
    """Names of image datasets that ``ImageDataManager`` accepts."""
    return list(registry_of(torchreid.data.datasets, "__image_datasets"))


def dataset_class(name: str) -> type:
    """The class registered for an image dataset."""
    return registry_of(torchreid.data.datasets, "__image_datasets")[name]


def sampler_names() -> list[str]:
    """Names of training samplers that ``ImageDataManager`` accepts."""
    return [*submodule_of_data("sampler").AVAI_SAMPLERS, SAMPLER]


def transform_names() -> list[str]:
    """Names of training transforms that ``ImageDataManager`` accepts."""
    return [*TORCHREID_TRANSFORMS, TRANSFORMS]


def registry_of(module: Any, name: str) -> dict[str, Any]:
    """A registry of torchreid's, which keeps them under private names."""
    return module.__dict__[name]


def submodule_of_data(name: str) -> Any:
    """A module of ``torchreid.data``, which is ``torchreid.reid.data`` in PyPI's torchreid."""
    return importlib.import_module(f"{torchreid.data.__name__}.{name}")
