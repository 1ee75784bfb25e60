"""Stand-ins for what pip cannot install: the repository's torchreid and its ``scripts`` folder.

The package is the installed one with the repository's module layout (``torchreid.utils`` is a
module there). The scripts are written for these tests; they do in the same order what the
repository's ``main.py`` and ``default_config.py`` do, less its listing of installed packages.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import torchreid
import yaml

from ddan_torchreid.config.keys import SCHEMA
from ddan_torchreid.config.schema import get_default_config

INIT = "from torchreid import data, optim, utils, engine, losses, models, metrics\n"

DEFAULT_CONFIG = """
from functools import reduce
from operator import getitem

from yacs.config import CfgNode

DEFAULTS = {defaults!r}
TAKERS = {takers!r}


def get_default_config():
    return CfgNode(DEFAULTS)


def arguments(cfg, taker):
    return {{argument: reduce(getitem, path, cfg) for argument, path in TAKERS[taker].items()}}


def imagedata_kwargs(cfg):
    return arguments(cfg, "data")


def videodata_kwargs(cfg):
    raise NotImplementedError


def optimizer_kwargs(cfg):
    return arguments(cfg, "optimizer")


def lr_scheduler_kwargs(cfg):
    return {{**arguments(cfg, "scheduler"), "max_epoch": cfg.train.max_epoch}}


def engine_run_kwargs(cfg):
    return arguments(cfg, "run")
"""

MAIN = """
import argparse
import os
import sys

import torch
import torchreid
from torchreid.utils import (
    Logger, check_isfile, compute_model_complexity, load_pretrained_weights,
    resume_from_checkpoint, set_random_seed
)

from default_config import (
    engine_run_kwargs, get_default_config, imagedata_kwargs, lr_scheduler_kwargs, optimizer_kwargs,
    videodata_kwargs
)


def choose_engine(cfg, data, model, optimizer, scheduler):
    common = dict(
        optimizer=optimizer, scheduler=scheduler, use_gpu=cfg.use_gpu,
        label_smooth=cfg.loss.softmax.label_smooth
    )
    if cfg.loss.name == "softmax":
        return torchreid.engine.ImageSoftmaxEngine(data, model, **common)
    else:
        return torchreid.engine.ImageTripletEngine(
            data, model, margin=cfg.loss.triplet.margin, weight_t=cfg.loss.triplet.weight_t,
            weight_x=cfg.loss.triplet.weight_x, **common
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", default="")
    parser.add_argument("-s", "--sources", nargs="+")
    parser.add_argument("-t", "--targets", nargs="+")
    parser.add_argument("--transforms", nargs="+")
    parser.add_argument("--root", default="")
    parser.add_argument("opts", default=None, nargs=argparse.REMAINDER)
    args = parser.parse_args()

    cfg = get_default_config()
    cfg.use_gpu = torch.cuda.is_available()
    if args.config_file:
        cfg.merge_from_file(args.config_file)
    for name in ("root", "sources", "targets", "transforms"):
        if getattr(args, name):
            cfg.data[name] = getattr(args, name)
    cfg.merge_from_list(args.opts)
    set_random_seed(cfg.train.seed)
    sys.stdout = Logger(os.path.join(cfg.data.save_dir, "test" if cfg.test.evaluate else "train"))
    print(cfg)
    print(torchreid.__file__)

    if cfg.data.type == "image":
        data = torchreid.data.ImageDataManager(**imagedata_kwargs(cfg))
    else:
        data = torchreid.data.VideoDataManager(**videodata_kwargs(cfg))
    model = torchreid.models.build_model(
        name=cfg.model.name, num_classes=data.num_train_pids, loss=cfg.loss.name,
        pretrained=cfg.model.pretrained, use_gpu=cfg.use_gpu
    )
    print(compute_model_complexity(model, (1, 3, cfg.data.height, cfg.data.width)))
    if cfg.model.load_weights and check_isfile(cfg.model.load_weights):
        load_pretrained_weights(model, cfg.model.load_weights)
    if cfg.use_gpu:
        model = torch.nn.DataParallel(model).cuda()
    optimizer = torchreid.optim.build_optimizer(model, **optimizer_kwargs(cfg))
    scheduler = torchreid.optim.build_lr_scheduler(optimizer, **lr_scheduler_kwargs(cfg))
    if cfg.model.resume and check_isfile(cfg.model.resume):
        cfg.train.start_epoch = resume_from_checkpoint(
            cfg.model.resume, model, optimizer=optimizer, scheduler=scheduler
        )
    engine = choose_engine(cfg, data, model, optimizer, scheduler)
    engine.run(**engine_run_kwargs(cfg))


if __name__ == "__main__":
    main()
"""


def write_package(folder: Path) -> None:
    """Writes ``folder/torchreid`` in the layout of the repository."""
    installed = Path(torchreid.__file__).parent
    source = installed / "reid" if (installed / "reid").is_dir() else installed
    package = folder / "torchreid"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\btorchreid\.reid\b", "torchreid", text), encoding="utf-8")
    (package / "__init__.py").write_text(INIT, encoding="utf-8")


def write_scripts(folder: Path) -> Path:
    """Writes ``main.py`` and ``default_config.py`` into a folder; returns the former."""
    defaults = yaml.safe_load(get_default_config().dump())
    del defaults["ddan"]
    takers: dict[str, Any] = {}
    for key, option in SCHEMA.items():
        if not key.startswith("ddan."):
            takers.setdefault(option.taker, {})[option.argument] = key.split(".")
    folder.mkdir(parents=True)
    text = DEFAULT_CONFIG.format(defaults=defaults, takers=takers)
    (folder / "default_config.py").write_text(text, encoding="utf-8")
    (folder / "main.py").write_text(MAIN, encoding="utf-8")
    return folder / "main.py"
