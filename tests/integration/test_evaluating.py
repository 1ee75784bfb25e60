"""A test is refused nothing that matters to training only (evaluate: commands/test_evaluate.py)."""

import pytest
import torch

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder
from ddan_torchreid.system import state_files

REFUSED_IN_TRAINING = (
    *("data.sources", "['mall']", "ddan.central_domain", "nowhere"),
    *("train.lr", "-1.0", "ddan.top_k", "10000", "sampler.num_instances", "7"),
)


@pytest.mark.parametrize("key", ["load_weights", "resume"])
def test_with_test_evaluate_train_only_tests(small_config, tmp_path, key):
    """As `train` does it, and torchreid's script."""
    trained = builder.build(small_config("ddan.evaluation_splits", "2"))
    weights = tmp_path / "weights"
    state_files.write({"state_dict": trained.model.state_dict()}, weights)
    pairs = ("test.evaluate", "True", f"model.{key}", str(weights), "ddan.dropout", "0.25")
    config = small_config(*pairs, *REFUSED_IN_TRAINING, "train.seed", "7")
    engine = builder.build(config)
    engine.run(**configuration.arguments(config, "run"))
    assert set(engine.scores) == {"snow", "night"}
    saved = trained.model.state_dict()
    for name, value in engine.model.state_dict().items():
        assert torch.equal(value, saved[name]) or name.startswith("classifier."), name
    assert (config.train.seed, config.data.height) == (7, 64)
    with pytest.raises(ValueError, match="train.lr=-1.0"):
        builder.build(small_config(*REFUSED_IN_TRAINING))
