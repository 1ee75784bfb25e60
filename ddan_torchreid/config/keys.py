"""Every key of a configuration: torchreid's own, and those of the ``ddan:`` node.

torchreid's package on PyPI ships no schema (its ``scripts/default_config.py`` lives in the
repository only), so it stands here as a table. The defaults are those of that file.
"""

from __future__ import annotations

import dataclasses

from .options import Option
from .settings import DDANSettings

SCHEMA = {
    "use_gpu": Option(True, "data", "use_gpu"),
    "model.name": Option("resnet50"),
    "model.pretrained": Option(True),
    "model.load_weights": Option(""),
    "model.resume": Option(""),
    "data.type": Option("image"),
    "data.root": Option("reid-data", "data", "root"),
    "data.sources": Option(["market1501"], "data", "sources"),
    "data.targets": Option(["market1501"], "data", "targets"),
    "data.workers": Option(4, "data", "workers", least=0),
    "data.split_id": Option(0, "data", "split_id", least=0),
    "data.height": Option(256, "data", "height", least=1),
    "data.width": Option(128, "data", "width", least=1),
    "data.combineall": Option(False, "data", "combineall"),
    "data.transforms": Option(["random_flip"], "data", "transforms"),
    "data.k_tfm": Option(1, "data", "k_tfm", least=1),
    "data.norm_mean": Option([0.485, 0.456, 0.406], "data", "norm_mean"),
    "data.norm_std": Option([0.229, 0.224, 0.225], "data", "norm_std"),
    "data.save_dir": Option("log", "run", "save_dir"),
    "data.load_train_targets": Option(False, "data", "load_train_targets"),
    "market1501.use_500k_distractors": Option(False, "data", "market1501_500k"),
    "cuhk03.labeled_images": Option(False, "data", "cuhk03_labeled"),
    "cuhk03.classic_split": Option(False, "data", "cuhk03_classic_split"),
    "cuhk03.use_metric_cuhk03": Option(False, "run", "use_metric_cuhk03"),
    "sampler.train_sampler": Option("RandomSampler", "data", "train_sampler"),
    "sampler.train_sampler_t": Option("RandomSampler", "data", "train_sampler_t"),
    "sampler.num_instances": Option(4, "data", "num_instances", least=1),
    "sampler.num_cams": Option(1, "data", "num_cams", least=1),
    "sampler.num_datasets": Option(1, "data", "num_datasets", least=1),
    "video.seq_len": Option(15),
    "video.sample_method": Option("evenly"),
    "video.pooling_method": Option("avg"),
    "train.optim": Option("adam", "optimizer", "optim"),
    "train.lr": Option(0.0003, "optimizer", "lr", least=0),
    "train.weight_decay": Option(5e-4, "optimizer", "weight_decay", least=0),
    "train.max_epoch": Option(60, "run", "max_epoch", least=0),
    "train.start_epoch": Option(0, "run", "start_epoch", least=0),
    # Batch normalisation of one image has no variance.
    "train.batch_size": Option(32, "data", "batch_size_train", least=2),
    "train.fixbase_epoch": Option(0, "run", "fixbase_epoch", least=0),
    "train.open_layers": Option(["classifier"], "run", "open_layers"),
    "train.staged_lr": Option(False, "optimizer", "staged_lr"),
    "train.new_layers": Option(["classifier"], "optimizer", "new_layers"),
    "train.base_lr_mult": Option(0.1, "optimizer", "base_lr_mult", least=0),
    "train.lr_scheduler": Option("single_step", "scheduler", "lr_scheduler"),
    "train.stepsize": Option([20], "scheduler", "stepsize", least=1),
    "train.gamma": Option(0.1, "scheduler", "gamma", least=0),
    "train.print_freq": Option(20, "run", "print_freq", least=1),
    "train.seed": Option(1, "engine", "seed", least=0, below=2**32),
    "sgd.momentum": Option(0.9, "optimizer", "momentum", least=0),
    "sgd.dampening": Option(0.0, "optimizer", "sgd_dampening"),
    "sgd.nesterov": Option(False, "optimizer", "sgd_nesterov"),
    "rmsprop.alpha": Option(0.99, "optimizer", "rmsprop_alpha", least=0),
    "adam.beta1": Option(0.9, "optimizer", "adam_beta1", least=0, below=1),
    "adam.beta2": Option(0.999, "optimizer", "adam_beta2", least=0, below=1),
    "loss.name": Option("softmax"),
    "loss.softmax.label_smooth": Option(True),
    "loss.triplet.margin": Option(0.3),
    "loss.triplet.weight_t": Option(1.0),
    "loss.triplet.weight_x": Option(0.0),
    "test.batch_size": Option(100, "data", "batch_size_test", least=1),
    "test.dist_metric": Option("euclidean", "run", "dist_metric"),
    "test.normalize_feature": Option(False, "run", "normalize_feature"),
    "test.ranks": Option([1, 5, 10, 20], "run", "ranks", least=1),
    "test.evaluate": Option(False, "run", "test_only"),
    "test.eval_freq": Option(-1, "run", "eval_freq"),
    "test.start_eval": Option(0, "run", "start_eval"),
    "test.rerank": Option(False, "run", "rerank"),
    "test.visrank": Option(False, "run", "visrank"),
    "test.visrank_topk": Option(10, "run", "visrank_topk", least=1),
}
# The engine's options; its seed is train.seed.
SCHEMA |= {
    f"ddan.{field.name}": dataclasses.replace(
        field.metadata["option"], taker="engine", argument=field.name
    )
    for field in dataclasses.fields(DDANSettings)
    if field.name != "seed"
}
# Of the model: torchreid's build_model has no argument for its dropout, nor for weights of other
# identities (model.load_weights), with which the identity head starts anew.
SCHEMA |= {"ddan.dropout": Option(0.5, least=0, below=1), "ddan.fine_tune": Option(False)}

# Keys that hold a path, where ~ stands for the home folder.
PATHS = ("data.root", "data.save_dir", "model.load_weights", "model.resume", "ddan.splits_from")

# What a test reads of the sections and keys below.
_OF_TESTS = (
    *("train.seed", "ddan.bad_images", "ddan.evaluation_splits", "ddan.evaluator"),
    *("ddan.legacy_metrics", "ddan.neck", "ddan.progress", "ddan.splits_from", "ddan.splits_seed"),
    "ddan.viper_a_to_b",
)
_OF_TRAINING = (
    *("sampler.", "train.", "sgd.", "adam.", "rmsprop.", "loss.softmax.", "loss.triplet.", "ddan."),
    *("data.combineall", "data.k_tfm", "data.load_train_targets"),
)
# What a test does not read.
ONLY_TRAINING = [key for key in SCHEMA if key.startswith(_OF_TRAINING) and key not in _OF_TESTS]
