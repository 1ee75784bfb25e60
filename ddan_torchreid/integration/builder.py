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
from ..config.only_testing import forget_training
from ..config.schema import arguments, engine_options, known_keys, options_named_as_keys, value_of
from ..config.settings import nearest
from ..data.reading import read_safely
from ..data.sharding import check_shares
from ..engine import ImageDDANEngine
from ..evaluation.ranking import ranking_with
from ..evaluation.reranking import check_memory
from ..models.neck import apply_neck
from ..models.variants import change
from ..system.files import unshared
from ..system.folder_lock import make_folder
from ..system.streams import ESCAPED
from ..training import checkpoint, resuming
from ..training.checkpoint_store import find, newest
from . import checks


def build(config: CfgNode) -> Any:
    """Builds data, model, optimiser and engine, with the weights the configuration asks for.

    Args:
        config: the configuration; ``train.start_epoch`` is set when it resumes, and
            ``model.resume`` to the checkpoint that ``'auto'`` or a folder stands for.

    Returns:
        The engine, ready for ``engine.run(**arguments(config, 'run'))``.

    Raises:
        ValueError, FileNotFoundError: see :func:`ddan_torchreid.integration.checks.check`; the
            message is one line that says what to write instead.
    """
    if config.test.evaluate:
        forget_training(config)
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
    if len(datamanager.train_loader) == 0 and not config.test.evaluate:
        raise ValueError(
            f"train.batch_size={config.train.batch_size} is more than the "
            f"{len(datamanager.train_loader.dataset)} training images; write a smaller one"
        )
    if not config.test.evaluate:
        check_shares(datamanager)
    model = build_model(config, datamanager.num_train_pids)
    if config.model.load_weights:
        load_weights(config, model)
    if config.use_gpu:
        model = model.to(device) if distributed.active() else nn.DataParallel(model).cuda()
    optimizer = torchreid.optim.build_optimizer(model, **arguments(config, "optimizer"))
    scheduler = torchreid.optim.build_lr_scheduler(optimizer, **arguments(config, "scheduler"))
    engine = build_engine(config, datamanager, model, optimizer, scheduler)
    if config.model.resume:
        if config.loss.name == "ddan":
            config.train.start_epoch = resuming.resume(engine, config.model.resume)
        else:
            config.train.start_epoch = resuming.resume_baseline(
                config.model.resume, model, optimizer, scheduler
            )
    return engine


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
    path = config.model[key]
    if path and Path(path).is_dir():
        found = newest(path)
        hint = f", such as {found}" if found else ""
        raise FileNotFoundError(f"model.{key}: {path} is a folder; name a checkpoint{hint}")
    if path and not Path(path).is_file():
        raise FileNotFoundError(f"model.{key}: there is no checkpoint {path!r}")
    if path:
        config.model.pretrained = False
    if config.test.evaluate and config.model.resume:
        config.model.load_weights, config.model.resume = config.model.resume, ""


def load_weights(config: CfgNode, model: nn.Module) -> None:
    """Loads ``model.load_weights``, with ``ddan.fine_tune`` all but the identity head.

    Not where a checkpoint is resumed: it has all of them, and is of a run that went on from these.
    """
    if config.model.resume:
        return
    new_head = config.loss.name == "ddan" and config.ddan.fine_tune
    path, tested = config.model.load_weights, config.test.evaluate
    checkpoint.load_weights(model, path, new_head, tested)


def build_datamanager(config: CfgNode) -> Any:
    """Builds torchreid's image data manager.

    Raises:
        ValueError: torchreid cannot load a dataset; the message names the data root.
    """
    try:
        datamanager = torchreid.data.ImageDataManager(**arguments(config, "data"))
    except (RuntimeError, IndexError, AssertionError, OSError, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"the datasets under {config.data.root} cannot be loaded: {reason}; "
            "check their folders with ddan-torchreid check-data"
        ) from error
    read_safely(datamanager)
    return datamanager


def build_model(config: CfgNode, num_identities: int) -> nn.Module:
    """Builds the model that the configuration names, for a number of training identities."""
    model = torchreid.models.build_model(
        name=config.model.name,
        num_classes=num_identities,
        loss=config.loss.name,
        pretrained=config.model.pretrained,
        use_gpu=config.use_gpu,
    )
    configure_model(config, model)
    return model


def configure_model(
    config: CfgNode, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Applies what torchreid's ``build_model`` has no argument for, and checks the layer names.

    Args:
        config: the configuration.
        model: wrapped in ``DataParallel`` or not.
        optimizer: the model's, where it has one already.

    Raises:
        ValueError: ``train.new_layers`` or ``train.open_layers`` names a layer that does not exist,
            or no layer of ``train.open_layers`` has anything to train.
    """
    bare = distributed.unwrapped(model)
    if config.loss.name == "ddan":
        apply_neck(config.ddan.neck, bare, optimizer)
    if config.loss.name == "ddan" and optimizer is None:
        change(bare, config.ddan)
    if isinstance(getattr(bare, "dropout", None), nn.Dropout) and config.loss.name == "ddan":
        bare.dropout.p = config.ddan.dropout
    # A wrong name would quietly train every layer at the rate of the base layers.
    layers = [name for name, _ in bare.named_children()]
    for key, used in (
        ("new_layers", config.train.staged_lr),
        ("open_layers", config.train.fixbase_epoch > 0),
    ):
        for name in config.train[key] if used else []:
            if name not in layers:
                raise ValueError(
                    f"train.{key}: {config.model.name} has no layer {name!r}; "
                    f"{nearest(str(name), layers)}"
                )
    opened = [getattr(bare, name) for name in config.train.open_layers if name in layers]
    if config.train.fixbase_epoch > 0 and not any(list(each.parameters()) for each in opened):
        raise ValueError(
            f"train.open_layers={config.train.open_layers} leaves nothing to train for "
            f"train.fixbase_epoch={config.train.fixbase_epoch}; add 'classifier' there, or write "
            "train.fixbase_epoch 0"
        )


def build_engine(
    config: CfgNode, datamanager: Any, model: nn.Module, optimizer: Any, scheduler: Any
) -> Any:
    """Builds the engine for ``loss.name``: DDAN's, or torchreid's for softmax and triplet.

    Raises:
        ValueError: an option is not valid, or there is no memory for ``test.rerank``.
    """
    if config.test.rerank and distributed.is_first():
        for name, parts in datamanager.test_dataset.items():
            check_memory(len(parts["query"]), len(parts["gallery"]), name)
    common = {"scheduler": scheduler, "use_gpu": config.use_gpu}
    if config.loss.name == "ddan":
        options = common | engine_options(config)
        with options_named_as_keys():
            engine = ImageDDANEngine(datamanager, model, optimizer, **options)
        engine.configuration = config.dump()
        return engine
    common["label_smooth"] = config.loss.softmax.label_smooth
    kind = torchreid.engine.ImageSoftmaxEngine
    if config.loss.name == "triplet":
        kind = torchreid.engine.ImageTripletEngine
        common |= {key: config.loss.triplet[key] for key in ("margin", "weight_t", "weight_x")}
    engine = kind(datamanager, model, optimizer, **common)
    # As DDAN's does, and in a fraction of the time.
    engine.test = ranking_with(config.ddan.evaluator)(engine.test)
    return engine


@contextlib.contextmanager
def log_file(config: CfgNode) -> Iterator[Path]:
    """Copies what is printed to ``save_dir``, as torchreid's ``main.py`` does.

    Of several processes the first one does.
    """
    kind = "test" if config.test.evaluate else "train"
    path = Path(config.data.save_dir) / f"{kind}.log-{time.strftime('%Y-%m-%d-%H-%M-%S')}"
    if not distributed.is_first():
        yield path
        return
    make_folder(path.parent)
    console, path = sys.stdout, unshared(path)
    with path.open("w", encoding="utf-8", errors=ESCAPED) as file:
        sys.stdout = _Tee(console, file)
        try:
            yield path
        finally:
            sys.stdout = console


class _Tee:
    """Writes to several files; torchreid's Logger closes the console when it is dropped."""

    def __init__(self, *files: Any) -> None:
        self.files = files

    def write(self, text: str) -> int:
        for file in self.files:
            file.write(text)
        return len(text)

    def flush(self) -> None:
        for file in self.files:
            file.flush()

    def isatty(self) -> bool:
        return False
