"""From a configuration to a trained or evaluated model, as torchreid's ``scripts/main.py`` does."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torchreid
from torch import nn
from yacs.config import CfgNode

from .. import distributed
from ..config.options import nearest
from ..config.schema import arguments, changes, known_keys, options_named_as_keys, value_of
from ..data.reading import check_present, read_safely
from ..data.sharding import check_shares
from ..engine import ImageDDANEngine
from ..evaluation.ranking import ranking_with
from ..evaluation.scores import check_memory
from ..models.ddan_model import apply_neck
from ..models.shipped import weights_file
from ..system.files import unshared
from ..system.folder_lock import make_folder
from ..system.streams import ESCAPED, Tee
from ..training import checkpoint, resuming
from ..training.checkpoint_store import find, newest
from . import checks


def build(config: CfgNode) -> Any:
    """Builds data, model, optimiser and engine, with the weights the configuration asks for.

    Args:
        config: the configuration. With ``test.evaluate``, what matters to training only is set to
            its default; when it resumes, ``model.resume`` to the checkpoint that it means, and
            ``train.start_epoch``.

    Returns:
        The engine, ready for ``engine.run(**arguments(config, 'run'))``.

    Raises:
        ValueError, FileNotFoundError: see :func:`ddan_torchreid.integration.checks.check`; the
            message is one line that says what to write instead.
    """
    checks.check(config)
    find_weights(config)
    distributed.check_alike(_same_everywhere(config))
    config.use_gpu = config.use_gpu and torch.cuda.is_available()
    device = distributed.device(config.use_gpu)
    torchreid.utils.set_random_seed(config.train.seed)
    if config.use_gpu:
        torch.backends.cudnn.benchmark = True
    with distributed.in_turn():  # reading a dataset for the first time may write its splits
        datamanager = build_datamanager(config)
    if not checks.skips_bad_images(config):
        check_present(datamanager)
    if not config.test.evaluate:
        if len(datamanager.train_loader) == 0:
            raise ValueError(
                f"train.batch_size={config.train.batch_size} is more than the "
                f"{len(datamanager.train_loader.dataset)} training images; write a smaller one"
            )
        check_shares(datamanager)
    model = build_model(config, datamanager.num_train_pids)
    if config.use_gpu:
        model = model.to(device) if distributed.active() else nn.DataParallel(model).cuda()
    optimizer = torchreid.optim.build_optimizer(model, **arguments(config, "optimizer"))
    scheduler = torchreid.optim.build_lr_scheduler(optimizer, **arguments(config, "scheduler"))
    return build_engine(config, datamanager, model, optimizer, scheduler)


def _same_everywhere(config: CfgNode) -> dict[str, Any]:
    """What several processes that train one model must have in common, by name."""
    own = {"data.root", "data.workers", "data.save_dir", "model.load_weights", "model.resume"}
    values = {key: value_of(config, key) for key in known_keys(config) if key not in own}
    # On another machine the same file may lie elsewhere.
    for key in ("resume", "load_weights"):
        values[f"the file of model.{key}"] = Path(config.model[key]).name or "none"
    return values


def find_weights(config: CfgNode) -> None:
    """Finds the checkpoint that ``model.resume`` means; no other weights are needed then.

    With ``test.evaluate`` they are all that is needed of it, so it becomes ``model.load_weights``.

    Raises:
        FileNotFoundError: a file that ``model.resume`` or, where nothing is resumed,
            ``model.load_weights`` names is missing.
    """
    if config.model.resume:
        config.model.resume = find(config.model.resume, config.data.save_dir)
    key = "resume" if config.model.resume else "load_weights"
    config.model.load_weights = str(weights_file(config.model.load_weights))
    if path := config.model[key]:
        if Path(path).is_dir():
            found = newest(path)
            hint = f", such as {found}" if found else ""
            raise FileNotFoundError(f"model.{key}: {path} is a folder; name a checkpoint{hint}")
        if not Path(path).is_file():
            raise FileNotFoundError(f"model.{key}: there is no checkpoint {path!r}")
        config.model.pretrained = False
    if config.test.evaluate and config.model.resume:
        config.model.load_weights, config.model.resume = config.model.resume, ""


def build_datamanager(config: CfgNode) -> Any:
    """Builds torchreid's image data manager.

    Raises:
        ValueError: torchreid cannot load a dataset; the message names the data root.
    """
    try:
        datamanager = torchreid.data.ImageDataManager(**arguments(config, "data"))
    except (
        RuntimeError,
        LookupError,
        AttributeError,
        AssertionError,
        OSError,
        ImportError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"the datasets under {config.data.root} cannot be loaded: {reason}; "
            "check their folders with ddan-torchreid check-data"
        ) from error
    read_safely(datamanager)
    return datamanager


def build_model(config: CfgNode, num_identities: int) -> nn.Module:
    """Builds the model that the configuration names, for a number of training identities."""
    return torchreid.models.build_model(
        name=config.model.name,
        num_classes=num_identities,
        loss=config.loss.name,
        pretrained=config.model.pretrained,
        use_gpu=config.use_gpu,
    )


def build_engine(
    config: CfgNode, datamanager: Any, model: nn.Module, optimizer: Any, scheduler: Any
) -> Any:
    """Builds the engine for ``loss.name``, with the weights or the state that it begins with.

    Args:
        config: the configuration; ``train.start_epoch`` is set when it resumes.
        datamanager: torchreid's.
        model: as torchreid's ``build_model`` made it, wrapped in ``DataParallel`` or not.
        optimizer: of the model.
        scheduler: of the optimiser.

    Raises:
        ValueError: an option is not valid, a layer does not exist, weights do not fit, or there is
            no memory for ``test.rerank``.
    """
    if config.test.rerank and distributed.is_first():
        for name, parts in datamanager.test_dataset.items():
            check_memory(len(parts["query"]), len(parts["gallery"]), name)
    aligned, path = config.loss.name == "ddan", config.model.resume
    bare = distributed.unwrapped(model)
    if aligned:
        apply_neck(config.ddan.neck, bare, optimizer)
        if isinstance(getattr(bare, "dropout", None), nn.Dropout):
            bare.dropout.p = config.ddan.dropout
    _check_layers(config, bare)
    # A checkpoint has all weights itself, and is of a run that went on from these.
    if config.model.load_weights and not path:
        new_head = aligned and config.ddan.fine_tune
        checkpoint.load_weights(model, config.model.load_weights, new_head, config.test.evaluate)
    if not aligned:
        engine = _build_baseline(config, datamanager, model, optimizer, scheduler)
        if path:
            config.train.start_epoch = resuming.resume_baseline(path, model, optimizer, scheduler)
        return engine
    with options_named_as_keys():
        engine = ImageDDANEngine(
            datamanager, model, optimizer, scheduler, config.use_gpu, **arguments(config, "engine")
        )
    engine.configuration = config.dump()
    if path:
        config.train.start_epoch = resuming.resume(engine, path)
    return engine


def _build_baseline(
    config: CfgNode, datamanager: Any, model: nn.Module, optimizer: Any, scheduler: Any
) -> Any:
    kind, options = torchreid.engine.ImageSoftmaxEngine, {}
    if config.loss.name == "triplet":
        kind, options = torchreid.engine.ImageTripletEngine, config.loss.triplet
    engine = kind(
        datamanager,
        model,
        optimizer,
        scheduler=scheduler,
        use_gpu=config.use_gpu,
        label_smooth=config.loss.softmax.label_smooth,
        **options,
    )
    # As DDAN's does, and in a fraction of the time.
    engine.test = ranking_with(config.ddan.evaluator)(engine.test)
    return engine


def _check_layers(config: CfgNode, model: nn.Module) -> None:
    """Refuses layers that do not exist, or of which none can be trained.

    A wrong name would quietly train every layer at the rate of the base layers.
    """
    layers, frozen = dict(model.named_children()), config.train.fixbase_epoch > 0
    for key, used in (("new_layers", config.train.staged_lr), ("open_layers", frozen)):
        for name in config.train[key] if used else []:
            if name not in layers:
                raise ValueError(
                    f"train.{key}: {config.model.name} has no layer {name!r}; "
                    f"{nearest(name, layers)}"
                )
    if frozen and not any(list(layers[name].parameters()) for name in config.train.open_layers):
        raise ValueError(
            f"train.open_layers={config.train.open_layers} leaves nothing to train for "
            f"train.fixbase_epoch={config.train.fixbase_epoch}; add 'classifier' there, or write "
            "train.fixbase_epoch 0"
        )


@contextlib.contextmanager
def log_file(config: CfgNode) -> Iterator[None]:
    """Copies what the first process prints to ``save_dir``, as torchreid's ``main.py`` does.

    It begins with the keys that are not at their defaults. Entered when the engine is built, so
    that what cannot work is refused before there is a file.
    """
    if not distributed.is_first():
        yield
        return
    kind = "test" if config.test.evaluate else "train"
    path = Path(config.data.save_dir) / f"{kind}.log-{time.strftime('%Y-%m-%d-%H-%M-%S')}"
    make_folder(path.parent)
    file = unshared(path).open("w", encoding="utf-8", errors=ESCAPED)
    with file, contextlib.redirect_stdout(Tee(sys.stdout, file)):
        print(f"Configuration, where it is not the default\n{changes(config)}\n")
        yield
