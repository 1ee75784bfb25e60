import inspect
import re
import textwrap
from pathlib import Path

import pytest
import torchreid

from ddan_torchreid.config import schema
from ddan_torchreid.config.keys import PATHS
from ddan_torchreid.config.settings import DDANSettings

SHIPPED = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def loaded(text: str, tmp_path: Path):
    path = tmp_path / "some.yaml"
    path.write_text(textwrap.dedent(text))
    configuration = schema.get_default_config()
    schema.merge_file(configuration, path)
    return configuration


def given(*pairs: str):
    configuration = schema.get_default_config()
    schema.merge_options(configuration, pairs)
    return configuration


def shipped(name: str):
    configuration = schema.get_default_config()
    schema.merge_file(configuration, schema.find_file(name))
    return configuration


def written(key: str, value: str) -> str:
    """A file of one key."""
    for part in reversed(key.split(".")):
        value = f"{{{part}: {value}}}"
    return value


def test_every_key_that_goes_to_torchreid_is_an_argument_there():
    takers = {
        "data": torchreid.data.ImageDataManager.__init__,
        "optimizer": torchreid.optim.build_optimizer,
        "scheduler": torchreid.optim.build_lr_scheduler,
        "run": torchreid.engine.Engine.run,
    }
    configuration = schema.get_default_config()
    for taker, function in takers.items():
        arguments = set(schema.arguments(configuration, taker))
        accepted = set(inspect.signature(function).parameters)
        assert arguments <= accepted, arguments - accepted
        # and nothing that torchreid could take is out of reach of the configuration
        assert accepted - arguments <= {"self", "model", "optimizer"}


def test_the_ddan_node_is_the_engines_options():
    configuration = schema.get_default_config()
    configuration.data.sources = ["cuhk02", "cuhksysu"]
    options = schema.arguments(configuration, "engine")
    assert DDANSettings.from_keywords(options) == DDANSettings(seed=configuration.train.seed)
    assert schema.settings_of(configuration) == DDANSettings(**options)
    assert set(configuration.ddan) == {*options, "dropout", "fine_tune"} - {"seed"}


# What a file changes from the full recipe; everything else must be the same to the last key.
DIFFERENCES = {
    "ddan": {},
    "ddan_in_bn": {"model.name": "ddan_mobilenetv2_in_bn_x1_0"},
    "ddan_no_duke": {"data.sources": ["cuhk02", "cuhk03", "market1501", "cuhksysu"]},
}
RECIPES = [path.stem for path in SHIPPED if path.stem != "ddan_strong"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_row_of_the_tables_differs_from_the_recipe_only_in_what_it_says(name):
    recipe, row = shipped("ddan"), shipped(name)
    schema.settings_of(row)
    assert row.data.save_dir == f"log/{name}"
    row.data.save_dir = recipe.data.save_dir
    changed = {
        key: schema.value_of(row, key)
        for key in schema.known_keys(row)
        if schema.value_of(row, key) != schema.value_of(recipe, key)
    }
    assert changed == DIFFERENCES[name]


def test_the_recipe_is_the_papers():
    recipe = shipped("ddan")
    assert set(recipe.data.sources) == {
        *("cuhk02", "cuhk03", "market1501", "dukemtmcreid", "cuhksysu"),
    }
    assert recipe.data.targets == ["viper", "prid", "grid", "ilids"]
    # Sec. 4.1
    train, ddan = recipe.train, recipe.ddan
    assert (train.lr, train.stepsize, train.gamma, train.max_epoch) == (0.1, [40], 0.1, 100)
    assert (train.batch_size, recipe.sampler.num_instances) == (64, 4)
    weights = (ddan.weight_triplet, ddan.weight_adversarial, ddan.weight_similarity)
    assert weights == (1.0, 0.18, 0.05)
    assert (ddan.margin, ddan.temperature, ddan.update_rate, ddan.top_k) == (0.3, 2e-3, 0.05, 8)
    assert (ddan.similarity_start_epoch, ddan.central_domain) == (4, "cuhksysu")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ddan:\n  topk: 8", "unknown key 'ddan.topk' .*did you mean 'ddan.top_k'"),
        ("train:\n  top_k: 8", "did you mean 'ddan.top_k'"),
        ("dan:\n  top_k: 8", "unknown key 'dan'"),
        ("train:\n  batch_size: many", "train.batch_size .* must be a whole number, got 'many'"),
        ("train:\n  batch_size: True", "must be a whole number"),
        ("train:\n  lr: .nan", "must be a number"),
        ("train:\n  lr: 1e+20", r"must be a number between -2\*\*63 and 2\*\*63, got 1e\+20;"),
        ("train:\n  stepsize: [a]", r"must be a list of whole numbers, got \['a'\]"),
        ("data:\n  norm_std: [null]", "must be a list of numbers"),
        ("data:\n  sources: [1]", "must be a list of texts"),
        ("data:\n  sources: viper", "data.sources .* must be a list, got 'viper'"),
        ("data:\n  combineall: 1", "data.combineall .* must be true or false"),
        ("model: 3", "model"),
        ("- a\n- b", "must hold keys and values"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("ddan: {top_k: 3, top_k: 4}", "stands twice"),
        ("ddan:\n  top_k: 3\ntrain: {}\nddan:\n  margin: 0.1\n", "stands twice"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(text, says, tmp_path):
    with pytest.raises(ValueError) as error:
        loaded(text, tmp_path)
    assert re.search(says, str(error.value)), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("use_gpu", "false", False),
        ("data.combineall", "yes", True),
        ("data.sources", '[a, "b"]', ["a", "b"]),
        ("data.sources", "[]", []),
        ("train.stepsize", "[20, 40]", [20, 40]),
        ("train.lr", "1", 1.0),
        ("train.lr", "'5e-4'", 5e-4),
        ("train.lr", "5e-4", 5e-4),
        ("train.batch_size", "0x40", 64),
        ("data.norm_mean", "[1e-1, .2, 1]", [0.1, 0.2, 1.0]),
        ("ddan.cuda_graphs", "off", "off"),
        ("ddan.amp", "bf16", "bf16"),
        ("data.save_dir", "'log/a b'", "log/a b"),
        ("data.save_dir", '"12"', "12"),
    ],
)
def test_a_value_is_the_same_in_a_file_and_on_the_command_line(key, text, value, tmp_path):
    for configuration in (loaded(written(key, text), tmp_path), given(key, text)):
        found = schema.value_of(configuration, key)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("data.save_dir", "2024", "2024"),
        ("data.save_dir", "a: b #c", "a: b #c"),
        ("data.save_dir", "it's'", "it's'"),
        ("model.load_weights", "", ""),
        ("data.sources", "('a', 'b')", ["a", "b"]),
        ("train.stepsize", "20, 40", [20, 40]),
    ],
)
def test_what_the_command_line_takes_besides(key, text, value):
    assert schema.value_of(given(key, text), key) == value


@pytest.mark.parametrize("key", ["use_gpu", "data.sources", "train.lr", "data.save_dir"])
def test_nothing_is_no_value_in_either_place(key, tmp_path):
    says = f"{key} in .* must be .*, got None;"
    with pytest.raises(ValueError, match=says):
        loaded(written(key, "null"), tmp_path)
    with pytest.raises(ValueError, match=says):
        given(key, "Null")


@pytest.mark.parametrize("key", PATHS)
def test_home_is_expanded_in_a_file_and_on_the_command_line(key, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    for path, expected in (("~/a", "/somebody/a"), ("a/~", "a/~"), ("~nobody-here/a",) * 2):
        for configuration in (given(key, path), loaded(written(key, path), tmp_path)):
            assert schema.value_of(configuration, key) == expected


def test_every_key_that_holds_a_path_is_among_them():
    configuration = schema.get_default_config()
    names = re.compile("root|dir|weights|resume|from|file|path|folder")
    found = {
        key
        for key in schema.known_keys(configuration)
        if names.search(key) and isinstance(schema.value_of(configuration, key), str)
    }
    assert found == set(PATHS)


@pytest.mark.parametrize(
    ("message", "with_keys"),
    [
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
    assert schema.changes(schema.get_default_config()) == ""
    mine = given("train.lr", "0.1", "ddan.top_k", "8", "ddan.margin", "1")
    assert schema.changes(mine) == "train.lr: 0.1\nddan.margin: 1.0"


def test_a_merged_node_may_be_overridden(tmp_path):
    text = "train: &base {lr: 0.1}\nadam: {<<: {beta1: 0.5}, beta1: 0.8}\n"
    assert loaded(text, tmp_path).adam.beta1 == 0.8


def test_an_empty_list_can_be_filled_again():
    configuration = given("data.transforms", "[]", "data.transforms", "['ddan']")
    assert configuration.data.transforms == ["ddan"]
