"""A configuration without what matters to training only, so that no test is refused for that."""

from __future__ import annotations

from yacs.config import CfgNode

from .schema import MODEL_OPTIONS, get_default_config, known_keys, put, value_of
from .settings import DDANSettings

# The sections, and the keys of others, that a test does not read.
SECTIONS = ("sampler", "train", "sgd", "adam", "rmsprop", "loss.softmax", "loss.triplet")
KEYS = ("data.combineall", "data.k_tfm", "data.load_train_targets")
# The options of the engine that it reads, and a key of those sections.
READ = {
    "train.seed",
    "ddan.bad_images",
    "ddan.evaluation_splits",
    "ddan.evaluator",
    "ddan.legacy_metrics",
    "ddan.neck",
    "ddan.head",
    "ddan.last_stride",
    "ddan.pooling",
    "ddan.progress",
    "ddan.splits_from",
    "ddan.splits_seed",
    "ddan.viper_a_to_b",
}
# No loss is computed, and no term asks for several sources or for a central domain.
WEIGHTS = ("weight_triplet", "weight_adversarial", "weight_similarity")


def forget_training(config: CfgNode) -> None:
    """Sets what a test does not read to its default, and the weights of all terms but L_IDE to 0.

    Args:
        config: with ``test.evaluate``; changed in place.
    """
    defaults = get_default_config()
    options = {f"ddan.{name}" for name in (*DDANSettings.names(), *MODEL_OPTIONS)}
    for key in known_keys(defaults):
        unread = key in KEYS or key in options or key.startswith(tuple(f"{s}." for s in SECTIONS))
        if unread and key not in READ and value_of(config, key) is not None:
            put(config, key, value_of(defaults, key))
    for name in WEIGHTS:
        config.ddan[name] = 0.0
