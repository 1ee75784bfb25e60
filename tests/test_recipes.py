"""Every shipped configuration builds, and one trains, on miniatures of the real datasets."""

from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder
from ddan_torchreid.system import state_files
from tests import miniatures

SHIPPED = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def load(path, root, output):
    config = configuration.get_default_config()
    configuration.merge_file(config, path)
    config.data.root = str(root)
    config.data.save_dir = str(output)
    config.model.pretrained = False  # ImageNet's weights have tests of their own
    return config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_builds_on_the_real_layouts(path, real_root, tmp_path):
    config = load(path, real_root, tmp_path)
    engine = builder.build(config)
    identities, images = (
        sum(miniatures.SOURCES[name][part] for name in config.data.sources) for part in (0, 1)
    )
    assert engine.datamanager.num_train_pids == identities
    assert engine.model.classifier.out_features == identities
    assert len(engine.train_loader.dataset) == images
    assert set(engine.test_loader) == {"viper", "prid", "grid", "ilids"}
    for name, (query, gallery) in miniatures.TARGETS.items():
        assert len(engine.test_loader[name]["query"].dataset) == query
        assert len(engine.test_loader[name]["gallery"].dataset) == gallery
    check_optimisers_and_parts(engine, config)


def check_optimisers_and_parts(engine, config):
    groups = engine.optimizer.param_groups
    assert [group["lr"] for group in groups] == [pytest.approx(0.01), 0.1]
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {id(p) for p in engine.model.parameters()}
    assert (engine.discriminator is None) == (config.ddan.weight_adversarial == 0)
    assert (engine.pool is None) == (config.ddan.weight_similarity == 0)


def test_the_papers_recipe_trains_and_scores_on_the_real_layouts(real_root, tmp_path, capsys):
    """The whole path on nine real layouts, with small images and a narrow network."""
    status = main(
        [
            *("train", "--config-file", "ddan_in_bn", "--root", str(real_root)),
            *("model.name", "ddan_mobilenetv2_in_bn_x0_35", "model.pretrained", "False"),
            *("data.height", "32", "data.width", "32", "data.workers", "0"),
            *("data.save_dir", str(tmp_path), "train.max_epoch", "1", "use_gpu", "False"),
            *("ddan.similarity_start_epoch", "0", "train.print_freq", "1"),
        ]
    )
    assert status == 0
    output = capsys.readouterr().out
    for name in miniatures.TARGETS:
        assert f"##### Evaluating {name} (target) #####" in output
    trained = state_files.details(state_files.read(tmp_path / "model" / "model.pth.tar-1"))
    assert trained["central_domain"] == "cuhksysu"
    status = main(
        [
            *("evaluate", "--config-file", "ddan_in_bn", "--root", str(real_root)),
            *("-t", "viper", "model.name", "ddan_mobilenetv2_in_bn_x0_35"),
            *("data.height", "32", "data.width", "32", "data.workers", "0", "use_gpu", "False"),
            *("data.save_dir", str(tmp_path / "test"), "--weights"),
            str(tmp_path / "model" / "model.pth.tar-1"),
        ]
    )
    assert status == 0
    evaluated = capsys.readouterr().out
    assert "Evaluating viper" in evaluated
    assert "Evaluating grid" not in evaluated
    scores = [line for line in output.splitlines() if line.startswith(("mAP", "Rank"))][:5]
    assert [line for line in evaluated.splitlines() if line.startswith(("mAP", "Rank"))] == scores
