"""Every shipped configuration builds, and one trains, on miniatures of the real datasets."""

from pathlib import Path

import pytest

from ddan_torchreid.cli import main
from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from ddan_torchreid.system import state_files
from tests import miniatures

SHIPPED = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_builds_on_the_real_layouts(path, real_root, tmp_path):
    config = schema.get_default_config()
    schema.merge_file(config, path)
    config.data.root, config.data.save_dir = str(real_root), str(tmp_path)
    config.model.pretrained = False  # ImageNet's weights have tests of their own
    engine = builder.build(config)
    identities, images = (
        sum(miniatures.SOURCES[name][part] for name in config.data.sources) for part in (0, 1)
    )
    assert engine.datamanager.num_train_pids == identities
    assert engine.model.classifier.out_features == identities
    assert len(engine.train_loader.dataset) == images
    found = {
        name: (len(loaders["query"].dataset), len(loaders["gallery"].dataset))
        for name, loaders in engine.test_loader.items()
    }
    assert found == miniatures.TARGETS
    groups = engine.optimizer.param_groups
    trained = {id(p) for group in groups for p in group["params"]}
    left_out = {name for name, p in engine.model.named_parameters() if id(p) not in trained}
    strong = path.stem == "ddan_strong"
    assert [group["lr"] for group in groups] == pytest.approx([3.5e-4] if strong else [0.01, 0.1])
    assert left_out == ({"neck.bias", "classifier.bias"} if strong else set())
    assert (engine.discriminator is None) == (engine.pool is None) == strong


def test_the_papers_recipe_trains_and_scores_on_the_real_layouts(real_root, tmp_path, capsys):
    """The whole path on nine real layouts, with small images and a narrow network."""
    words = [
        *("--config-file", "ddan_in_bn", "--root", str(real_root)),
        *("model.name", "ddan_mobilenetv2_in_bn_x0_35", "model.pretrained", "False"),
        *("data.height", "32", "data.width", "32", "data.workers", "0", "use_gpu", "False"),
        *("train.max_epoch", "1", "ddan.similarity_start_epoch", "0", "train.print_freq", "1"),
    ]
    assert main(["train", *words, "data.save_dir", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    for name in miniatures.TARGETS:
        assert f"##### Evaluating {name} (target) #####" in output
    weights = tmp_path / "model" / "model.pth.tar-1"
    assert state_files.details(state_files.read(weights))["central_domain"] == "cuhksysu"

    evaluate = ["evaluate", *words, "-t", "viper", "--weights", str(weights)]
    assert main([*evaluate, "data.save_dir", str(tmp_path / "test")]) == 0
    evaluated = capsys.readouterr().out
    assert "Evaluating grid" not in evaluated
    trained, tested = (
        [line for line in text.splitlines() if line.startswith(("mAP", "Rank"))]
        for text in (output, evaluated)
    )
    assert tested == trained[:5]
