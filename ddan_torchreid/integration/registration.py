"""Enters what this package brings into torchreid's registries.

torchreid has registries for models and image datasets only. Samplers, transforms and datasets are
built by functions that its data manager imported by name, so these three names are replaced there
by wrappers, which pass what is not DDAN's to the original; that of the datasets only tidies up.
What torchreid's ``scripts/main.py`` needs on top is in
:mod:`ddan_torchreid.integration.main_script`, and is loaded when that script starts.
"""

from __future__ import annotations

import functools
from typing import Any

import torchreid

from ..data.datasets import loading
from ..data.labels import stable_labels
from ..data.sampler import MultiDomainIdentitySampler
from ..data.transforms import ddan_transforms
from ..engine import ImageDDANEngine
from ..models import BACKBONES, FACTORIES, build_named
from .import_hook import after_import
from .registry import SAMPLER, TRANSFORMS, models


def register() -> None:
    """Makes DDAN's models, engine, sampler and transforms known to torchreid.

    Importing :mod:`ddan_torchreid` calls it; calling it again changes nothing.
    """
    for name, factory in (FACTORIES | BACKBONES).items():
        models().setdefault(name, functools.partial(build_named, name, factory))
    torchreid.engine.ImageDDANEngine = ImageDDANEngine
    torchreid.data.sampler.MultiDomainIdentitySampler = MultiDomainIdentitySampler
    _replace_builder("build_train_sampler", _build_train_sampler)
    _replace_builder("build_transforms", _build_transforms)
    _replace_builder("init_image_dataset", loading.load)
    after_import("default_config", _extend_default_config)


def _extend_default_config(module: Any) -> None:
    # The module of that name beside torchreid's main.py; everything else is left alone.
    from .main_script import extend

    extend(module)


def _replace_builder(name: str, ours: Any) -> None:
    """Lets the data manager call ours, with torchreid's as its first argument."""
    manager = torchreid.data.datamanager
    original = getattr(manager, name)
    if not hasattr(original, "__wrapped__"):
        wrapper = functools.update_wrapper(functools.partial(ours, original), original)
        setattr(manager, name, wrapper)


def _build_train_sampler(
    original: Any,
    data_source: list,
    train_sampler: str,
    batch_size: int = 32,
    num_instances: int = 4,
    **options: Any,
) -> Any:
    sampler: Any
    if train_sampler == SAMPLER:
        # The identities that the sampler groups must not depend on the process (labels are rows of
        # the classifier and of the ID pool); the list is the dataset's own.
        data_source[:] = stable_labels(data_source)
        sampler = MultiDomainIdentitySampler(data_source, batch_size, num_instances)
    else:
        sampler = original(data_source, train_sampler, batch_size, num_instances, **options)
    # The engine stabilises labels under any sampler, and must then be able to build it again.
    sampler.rebuild = functools.partial(
        _build_train_sampler,
        original,
        data_source,
        train_sampler,
        batch_size,
        num_instances,
        **options,
    )
    return sampler


def _build_transforms(
    original: Any,
    height: int,
    width: int,
    transforms: Any = "random_flip",
    norm_mean: Any = None,
    norm_std: Any = None,
    **options: Any,
) -> Any:
    names = {transforms} if isinstance(transforms, str) else set(transforms or ())
    if TRANSFORMS not in names:
        return original(height, width, transforms, norm_mean, norm_std, **options)
    if others := sorted(names - {TRANSFORMS}):
        raise ValueError(
            "transforms 'ddan' is the paper's whole recipe and cannot be mixed with "
            f"{', '.join(others)}; write transforms ['ddan'] alone, or leave 'ddan' out"
        )
    return ddan_transforms(height, width, norm_mean, norm_std)
