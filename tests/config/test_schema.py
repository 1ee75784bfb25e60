import inspect
import re
import textwrap
from pathlib import Path

import pytest
import torchreid
import yaml

from ddan_torchreid.config import schema
from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.engine import ImageDDANEngine

SHIPPED = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def loaded(text: str, tmp_path: Path):
    path = tmp_path / "some.yaml"
    path.write_text(textwrap.dedent(text))
    configuration = schema.get_default_config()
    schema.merge_file(configuration, path)
    return configuration


def test_every_key_that_goes_to_torchreid_is_an_argument_there():
    takers = {
        "data": torchreid.data.ImageDataManager.__init__,
        "optimizer": torchreid.optim.build_optimizer,
        "scheduler": torchreid.optim.build_lr_scheduler,
        "run": torchreid.engine.Engine.run,
    }
    configuration = schema.get_default_config()
    for taker, function in takers.items():
        given = set(schema.arguments(configuration, taker))
        accepted = set(inspect.signature(function).parameters)
        assert given <= accepted, given - accepted
        # and nothing that torchreid could take is out of reach of the configuration
        assert accepted - given <= {"self", "model", "optimizer"}


def test_the_ddan_node_is_the_engines_options():
    configuration = schema.get_default_config()
    options = schema.engine_options(configuration)
    assert set(options) == set(DDANSettings.names())
    assert DDANSettings.from_keywords(options) == DDANSettings(seed=configuration.train.seed)
    assert "settings" in (ImageDDANEngine.__doc__ or "")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_loads(path):
    configuration = schema.get_default_config()
    schema.merge_file(configuration, path)
    assert configuration.loss.name == "ddan"
    settings = DDANSettings(**schema.engine_options(configuration))
    settings.check_sources(configuration.data.sources)


# What a file changes from the full recipe; everything else must be the same to the last key.
DIFFERENCES = {
    "ddan_in_bn": {"model.name": "ddan_mobilenetv2_in_bn_x1_0"},
    "ddan_no_duke": {"data.sources": ["cuhk02", "cuhk03", "market1501", "cuhksysu"]},
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_row_of_the_tables_differs_from_the_recipe_only_in_what_it_says(name):
    def flat(stem):
        configuration = schema.get_default_config()
        schema.merge_file(configuration, schema.find_file(stem))
        keys = schema.known_keys(configuration)
        return {key: schema.value_of(configuration, key) for key in keys}

    recipe, row = flat("ddan"), flat(name)
    changed = {key: row[key] for key in row if row[key] != recipe[key]}
    assert changed.pop("data.save_dir") == f"log/{name}"
    assert changed == DIFFERENCES[name]


def test_the_recipe_is_the_papers():
    configuration = schema.get_default_config()
    schema.merge_file(configuration, schema.find_file("ddan"))
    assert configuration.data.sources == [
        "cuhk02",
        "cuhk03",
        "market1501",
        "dukemtmcreid",
        "cuhksysu",
    ]
    assert configuration.data.targets == ["viper", "prid", "grid", "ilids"]
    # Sec. 4.1
    train, ddan = configuration.train, configuration.ddan
    assert (train.lr, train.stepsize, train.gamma, train.max_epoch) == (0.1, [40], 0.1, 100)
    assert (train.batch_size, configuration.sampler.num_instances) == (64, 4)
    assert (ddan.weight_triplet, ddan.weight_adversarial, ddan.weight_similarity) == (
        1.0,
        0.18,
        0.05,
    )
    assert (ddan.margin, ddan.temperature, ddan.update_rate, ddan.top_k) == (0.3, 2e-3, 0.05, 8)
    assert (ddan.similarity_start_epoch, ddan.central_domain) == (4, "cuhksysu")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ddan:\n  topk: 8", "unknown key 'ddan.topk' .*did you mean 'ddan.top_k'"),
        ("train:\n  top_k: 8", "did you mean 'ddan.top_k'"),
        ("dan:\n  top_k: 8", "unknown key 'dan'"),
        ("train:\n  batch_size: many", "train.batch_size .* must be a whole number, got 'many'"),
        ("data:\n  sources: viper", "data.sources .* must be a list, got 'viper'"),
        ("data:\n  combineall: 1", "data.combineall .* must be true or false"),
        ("model: 3", "model"),
        ("- a\n- b", "must hold keys and values"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(text, says, tmp_path):
    with pytest.raises(ValueError, match="") as error:
        loaded(text, tmp_path)
    assert re.search(says, str(error.value)), error.value
    assert "\n" not in str(error.value)


def test_numbers_are_read_as_people_write_them(tmp_path):
    configuration = loaded("train:\n  weight_decay: 5e-4\n  lr: 1\n  stepsize: [20, 40]", tmp_path)
    assert configuration.train.weight_decay == 5e-4
    assert configuration.train.lr == 1.0
    assert isinstance(configuration.train.lr, float)
    assert configuration.train.stepsize == [20, 40]


def test_options_of_the_command_line():
    configuration = schema.get_default_config()
    schema.merge_options(
        configuration,
        ["ddan.temperature", "0.1", "data.sources", "['viper', 'grid']", "train.lr", "1"],
    )
    assert configuration.ddan.temperature == 0.1
    assert configuration.data.sources == ["viper", "grid"]
    with pytest.raises(ValueError, match="'train.lr' has no value"):
        schema.merge_options(configuration, ["train.lr"])
    with pytest.raises(ValueError, match=r"did you mean 'train.max_epoch'"):
        schema.merge_options(configuration, ["train.max_epochs", "3"])


def test_a_missing_file_names_the_nearest_shipped_one():
    with pytest.raises(FileNotFoundError, match=r"did you mean 'ddan_no_duke.yaml'"):
        schema.find_file("ddan_no_dukes.yaml")


def test_shipped_files_hold_only_what_they_change():
    defaults = schema.get_default_config()
    for path in SHIPPED:
        content = yaml.safe_load(path.read_text())
        keys = [key for key, _ in schema._flatten(defaults, content)]
        assert set(keys) <= set(schema.known_keys(defaults))


@pytest.mark.parametrize(
    ("message", "with_keys"),
    [
        ("top_k=0 must be 1 or more", "ddan.top_k=0 must be 1 or more"),
        ("alignment needs two; write weight_similarity 0.0",
         "alignment needs two; write ddan.weight_similarity 0.0"),
        ("confusion='central' needs alignment='central'",
         "ddan.confusion='central' needs ddan.alignment='central'"),
        ("compile True does not work here (to compile is hard); write compile False",
         "ddan.compile True does not work here (to compile is hard); write ddan.compile False"),
        ("ddan.top_k=3 and train.seed 2, my_top_k=1, --margin 3", None),
        ("a margin of 0.3 at this temperature", None),
    ],
)  # fmt: skip
def test_errors_about_options_name_their_keys(message, with_keys):
    with pytest.raises(ValueError) as caught, schema.options_named_as_keys():
        raise ValueError(message)
    assert str(caught.value) == (with_keys or message)


def test_changes_are_the_keys_that_differ_from_the_defaults():
    mine = schema.get_default_config()
    assert schema.changes(mine) == ""
    schema.merge_options(mine, ["train.lr", "0.1", "ddan.top_k", "8", "ddan.margin", "1"])
    assert schema.changes(mine) == "train.lr: 0.1\nddan.margin: 1.0"
