import inspect
import re
import textwrap
from pathlib import Path

import pytest
import torchreid

from ddan_torchreid.config import schema
from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.config.values import convert
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


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("use_gpu", "false", False),
        ("use_gpu", "True", True),
        ("data.combineall", "yes", True),
        ("data.sources", "[a, b]", ["a", "b"]),
        ("data.sources", "['a', \"b\"]", ["a", "b"]),
        ("data.sources", "[market1501]", ["market1501"]),
        ("data.sources", "[]", []),
        ("train.stepsize", "[20, 40]", [20, 40]),
        ("train.lr", "1e-3", 1e-3),
        ("train.lr", "1", 1.0),
        ("train.weight_decay", "5e-4", 5e-4),
        ("train.lr", "'1e-3'", 1e-3),
        ("train.lr", ".5", 0.5),
        ("train.batch_size", "0x40", 64),
        ("data.norm_mean", "[1e-1, .2, 1]", [0.1, 0.2, 1.0]),
        ("ddan.cuda_graphs", "off", "off"),
        ("ddan.amp", "false", "off"),
        ("ddan.amp", "bf16", "bf16"),
        ("data.save_dir", "log/a b", "log/a b"),
        ("data.save_dir", "'log/a b'", "log/a b"),
        ("data.save_dir", '"12"', "12"),
    ],
)
def test_a_value_is_the_same_in_a_file_and_on_the_command_line(key, written, value, tmp_path):
    *parents, leaf = key.split(".")
    node = f"{leaf}: {written}"
    for parent in parents:
        node = f"{parent}: {{{node}}}"
    in_file = schema.value_of(loaded(node, tmp_path), key)
    configuration = schema.get_default_config()
    schema.merge_options(configuration, [key, written])
    on_command_line = schema.value_of(configuration, key)
    assert in_file == on_command_line == value
    assert type(in_file) is type(on_command_line) is type(value)


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("data.save_dir", "2024", "2024"),
        ("data.save_dir", "a: b #c", "a: b #c"),
        ("data.save_dir", "it's'", "it's'"),
        ("model.load_weights", "", ""),
        ("data.sources", "('a', 'b')", ["a", "b"]),
        ("train.stepsize", "(20, 40)", [20, 40]),
        ("train.stepsize", "20, 40", [20, 40]),
    ],
)
def test_what_the_command_line_takes_besides(key, written, value):
    configuration = schema.get_default_config()
    schema.merge_options(configuration, [key, written])
    assert schema.value_of(configuration, key) == value


@pytest.mark.parametrize("word", ["null", "Null"])
@pytest.mark.parametrize("key", ["use_gpu", "data.sources", "train.lr", "data.save_dir"])
def test_nothing_is_no_value_in_either_place(key, word, tmp_path):
    section, _, leaf = key.rpartition(".")
    text = f"{section}: {{{leaf}: {word}}}" if section else f"{leaf}: {word}"
    configuration = schema.get_default_config()
    for merge in (
        lambda: loaded(text, tmp_path),
        lambda: schema.merge_options(configuration, [key, word]),
    ):
        with pytest.raises(ValueError, match=f"{key} in .* must be .*, got None;"):
            merge()


@pytest.mark.parametrize("key", schema.PATHS)
def test_home_is_expanded_in_a_file_and_on_the_command_line(key, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    section, _, leaf = key.partition(".")
    for path, expected in (("~/a", "/somebody/a"), ("a/~", "a/~"), ("~nobody-here/a",) * 2):
        configuration = schema.get_default_config()
        schema.merge_options(configuration, [key, path])
        assert schema.value_of(configuration, key) == expected
        assert schema.value_of(loaded(f"{section}: {{{leaf}: {path}}}", tmp_path), key) == expected


def test_every_key_that_holds_a_path_is_among_them():
    configuration = schema.get_default_config()
    names = re.compile("root|dir|weights|resume|from|file|path|folder")
    found = {
        key
        for key in schema.known_keys(configuration)
        if names.search(key) and isinstance(schema.value_of(configuration, key), str)
    }
    assert found == set(schema.PATHS)


def test_a_missing_file_names_the_nearest_shipped_one():
    with pytest.raises(FileNotFoundError, match=r"did you mean 'ddan_no_duke.yaml'"):
        schema.find_file("ddan_no_dukes.yaml")


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


@pytest.mark.parametrize(
    "text", ["ddan: {top_k: 3, top_k: 4}", "ddan:\n  top_k: 3\ntrain: {}\nddan:\n  margin: 0.1\n"]
)
def test_a_key_that_stands_twice_is_refused(text, tmp_path):
    (tmp_path / "twice.yaml").write_text(text)
    with pytest.raises(ValueError, match="stands twice"):
        schema.merge_file(schema.get_default_config(), tmp_path / "twice.yaml")


def test_a_merged_node_may_be_overridden(tmp_path):
    (tmp_path / "merge.yaml").write_text(
        "train: &base {lr: 0.1}\nadam: {<<: {beta1: 0.5}, beta1: 0.8}\n"
    )
    configuration = schema.get_default_config()
    schema.merge_file(configuration, tmp_path / "merge.yaml")
    assert (configuration.train.lr, configuration.adam.beta1) == (0.1, 0.8)


@pytest.mark.parametrize(
    ("default", "value", "says"),
    [
        (0.1, 10**400, "must be a number"),
        (0.1, "nan", "must be a number"),
        (0.1, float("inf"), "must be a number"),
        (0.1, 1e20, r"must be a number between -2\*\*63 and 2\*\*63, got 1e\+20$"),
        (1, 2**63, r"must be a whole number between -2\*\*63 and 2\*\*63, got 9223"),
        (1, True, "must be a whole number"),
        ([1], ["a"], r"must be a list of whole numbers, got \['a'\]"),
        ([0.1], [None], "must be a list of numbers"),
        (["a"], [1], "must be a list of texts"),
        ([1], "1", "must be a list, got 1"),
    ],
)
def test_what_is_refused_says_what_to_write(default, value, says):
    with pytest.raises(ValueError, match=says):
        convert(default, value)


def test_an_empty_list_can_be_filled_again():
    configuration = schema.get_default_config()
    schema.merge_options(configuration, ["data.transforms", "[]", "data.transforms", "['ddan']"])
    assert configuration.data.transforms == ["ddan"]
