"""Random configurations and command lines: refused in one line, or accepted and able to start."""

import io
import string
from contextlib import redirect_stderr, redirect_stdout

import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ddan_torchreid.cli import COMMANDS, main
from ddan_torchreid.config import schema
from ddan_torchreid.config.keys import SCHEMA
from ddan_torchreid.data.loader import in_groups
from ddan_torchreid.integration import builder, checks
from tests.commands.refused import refused
from tests.small_data import CONFIG

SMALL = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([10**400, -(10**30), 2**63, 2**32]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["nan", "1e999", "[1", "{[]: 1}", "(" * 300, "5e-4", "ddan", "é\u2028x"]),
    st.dates(),
    st.binary(max_size=4),
)
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = list(SCHEMA)


def refused_in_one_line(action) -> bool:
    """Whether it was refused; any exception but the promised ones reaches the test."""
    try:
        action()
    except (ValueError, FileNotFoundError) as error:
        reason = str(error)
    else:
        return False
    assert reason.strip()
    assert len(reason.splitlines()) == 1, reason
    return True


@st.composite
def trees(draw):
    """Dictionaries shaped like a configuration, with valid keys more often than not."""
    tree: dict = {}
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=5, unique=True)):
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = draw(GARBAGE)
    if draw(st.booleans()):
        name = draw(st.sampled_from(["model", "ddan", "trian", "", "a.b", "data"]) | SCALARS)
        tree[name] = draw(GARBAGE)
    return tree


@SMALL
@given(tree=trees() | GARBAGE)
def test_a_random_tree_is_refused_in_one_line_or_keeps_every_type(tree, tmp_path):
    path = tmp_path / "random.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    configuration = schema.get_default_config()
    if refused_in_one_line(lambda: schema.merge_file(configuration, path)):
        return
    defaults = schema.get_default_config()
    assert schema.known_keys(configuration) == schema.known_keys(defaults)
    for key in KEYS:
        value, default = schema.value_of(configuration, key), schema.value_of(defaults, key)
        assert type(value) is type(default)
        if isinstance(default, list):
            assert {type(element) for element in value} <= {type(default[0])}
    refused_in_one_line(lambda: checks.check(configuration))


@SMALL
@given(text=st.text(alphabet=string.ascii_letters + ":-[]{}&*!?|>%@'\"#, \n\t\x000éñ", max_size=60))
@example(text="train:\n  lr: !!python/object/apply:os.system ['true']")
@example(text="train:\n  lr: !!timestamp 2001-99-99")
@example(text="train:\n  lr: 2001-99-99")
@example(text="train:\n  lr: !!int x")
@example(text="train:\n  lr: !!binary é")
@example(text="data: &a\n  height: *a")
@example(text="data:\n  sources: &a [*a]")
@example(text="? [1]\n: 2")
@example(text="[" * 3000)
@example(text="train:\n  seed: " + "9" * 5000)
@example(text="a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ndata: {sources: [*c, *c]}")
@example(text="<<: 3")
def test_a_random_text_is_refused_in_one_line_or_read(text, tmp_path):
    path = tmp_path / "random.yaml"
    path.write_bytes(text.encode("utf-8"))
    refused_in_one_line(lambda: schema.merge_file(schema.get_default_config(), path))


def near_the_bounds(key):
    """What an option may be, and what it just may not."""
    option = SCHEMA[key]
    if option.words:
        return st.sampled_from(option.words)
    if isinstance(option.default, bool):
        return st.booleans()
    low = 0 if option.least is None else option.least
    if isinstance(option.default, float):
        return st.floats(low - 0.1, 1.2)
    return st.integers(low - 1, 24)


OF_DDAN = (
    *("alignment", "neck", "confusion", "similarity_reduction", "similarity_log", "top_k"),
    *("weight_identity", "weight_triplet", "weight_adversarial", "weight_similarity"),
    *("label_smoothing", "temperature", "update_rate", "exclude_own_identity", "dropout"),
    *("hidden_dim", "warmup_steps", "accumulate_steps", "alignment_reaches", "alignment_ramp"),
    *("discriminator", "discriminator_rate"),
)
OTHERS = (
    *("sampler.num_instances", "train.batch_size", "train.lr", "train.seed", "data.k_tfm"),
    *("sgd.nesterov", "sgd.momentum", "adam.beta1", "train.print_freq", "train.staged_lr"),
)
CHOICES = {
    **{key: near_the_bounds(key) for key in (*(f"ddan.{name}" for name in OF_DDAN), *OTHERS)},
    "ddan.central_domain": st.sampled_from(["film", "mall", "x"]),
    "sampler.train_sampler": st.sampled_from(
        ["MultiDomainIdentitySampler", "RandomIdentitySampler", "RandomSampler"]
    ),
    "train.optim": st.sampled_from(["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"]),
    "train.stepsize": st.lists(st.integers(0, 3), max_size=2),
    "train.lr_scheduler": st.sampled_from(["single_step", "multi_step", "cosine", "step"]),
    "data.transforms": st.lists(st.sampled_from(["ddan", "random_flip"]), max_size=2),
    "data.norm_std": st.lists(st.floats(0, 1), min_size=2, max_size=4),
    "test.ranks": st.lists(st.integers(0, 60), max_size=3),
}


@settings(SMALL, max_examples=25)
@example(options=[("train.batch_size", 1), ("sampler.num_instances", 1)])
@example(options=[("train.batch_size", 2), ("sampler.num_instances", 1)])
@example(options=[("ddan.temperature", 1e-8), ("ddan.similarity_reduction", "eq8")])
@given(
    options=st.lists(
        st.sampled_from(list(CHOICES)).flatmap(lambda key: st.tuples(st.just(key), CHOICES[key])),
        max_size=3,
        unique_by=lambda pair: pair[0],
    )
)
def test_what_is_accepted_trains_a_step(options, small_config):
    pairs = [word for key, value in options for word in (key, str(value))]
    engines: list = []

    def build():
        configuration = small_config("data.height", "32", "data.width", "32", *pairs)
        engines.append(builder.build(configuration))

    if refused_in_one_line(build):
        return
    engine = engines[0]
    engine.epoch, engine.batch_idx, engine.max_epoch = 1, 0, 2
    engine.set_model_mode("train")
    if engine.pool is not None:
        engine.pool.start_epoch()
    groups = in_groups(engine.train_loader, engine.settings.accumulate_steps)
    summary = engine.forward_backward(next(iter(groups)))
    assert torch.isfinite(torch.tensor(list(summary.values()))).all()


# No command line can hold a NUL; what is no UTF-8 in it reaches Python as a lone surrogate.
TEXTS = st.text(st.characters(exclude_characters="\x00"), max_size=10) | st.sampled_from(
    ["-1", "--", "-", "-s", "--root", "--config-file", "nan", "[1", "a=b", "\udcff", "[]", "{}"]
)
VALUES = st.one_of(
    TEXTS,
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.integers(-1, 3) | st.text("ab'", max_size=3), max_size=3).map(str),
    st.sampled_from(["9" * 400, "9" * 5000, "(" * 500, "None", "1e999", "{[]: 1}", "lambda: 0"]),
)
PAIRS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=3)
FLAGS = st.lists(
    st.one_of(
        st.tuples(st.just("--config-file"), st.sampled_from([CONFIG, "ddan_no_duke"]) | TEXTS),
        st.tuples(st.sampled_from(["-s", "-t"]), st.sampled_from(["viper", "mall"])),
        st.tuples(st.sampled_from(["--sources", "--targets", "--transforms"]), TEXTS, TEXTS),
        st.tuples(st.just("--dataset"), TEXTS | TEXTS.map(lambda word: f"own={word}")),
        st.tuples(st.sampled_from(["--root", "--weights", "--samples", "--conf", "-x"]), TEXTS),
    ),
    max_size=4,
)
NEED_CONFIGURATION = ["train", "evaluate", "central-domain"]


class DataLoadingError(Exception):
    """The command line got as far as the data."""


@pytest.fixture
def nothing_is_loaded(monkeypatch):
    def stop(configuration):
        raise DataLoadingError

    monkeypatch.setattr(builder, "build_datamanager", stop)


def check_outcome(words) -> None:
    """A command line is refused in one line, or does its work, or gets as far as the data."""
    errors = io.StringIO()
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()):
            status = main(words)
    except DataLoadingError:
        return
    except SystemExit as stop:  # argparse prints help and stops
        status = stop.code
    said = errors.getvalue()
    if status == 0:
        assert not said
    else:
        assert status == 2, (status, said)
        assert len(said.splitlines()) == 1, said
        assert said.startswith("ddan-torchreid: error: ")
        assert len(said) > len("ddan-torchreid: error: \n"), "it does not say why"


@pytest.mark.usefixtures("nothing_is_loaded")
@SMALL
@given(command=st.sampled_from(NEED_CONFIGURATION), flags=FLAGS, pairs=PAIRS, data=st.data())
def test_random_flags_and_pairs(command, flags, pairs, data, small_root):
    words = data.draw(st.permutations([*flags, *pairs, ("--root", str(small_root))]))
    check_outcome([command, *(word for part in words for word in part)])


@pytest.mark.usefixtures("nothing_is_loaded")
@SMALL
@given(words=st.lists(TEXTS | st.sampled_from(list(COMMANDS)), max_size=4))
@example(words=["train", "train.lr", "9" * 400])
@example(words=["train", "train.lr", "nan"])
@example(words=["train", "test.ranks", "['a']"])
@example(words=["train", "train.seed", "9" * 5000])
@example(words=["train", "data.sources", "(" * 500])
@example(words=["train", "--config-file", "x" * 5000])
@example(words=["train", "--root", "x" * 5000])
@example(words=["train", "--config-file", "."])
@example(words=["train", "--config-file"])
@example(words=["train", "--dataset", "=", "--dataset", "a=\udcff"])
@example(words=["train", "--traceback=1"])
@example(words=["evaluate", "--config-file", CONFIG, "--weights", "x" * 5000])
@example(words=["evaluate", "--config-file", CONFIG, "--weights", "."])
@example(words=["\udcff"])
@example(words=["--help", "train"])
def test_random_words(words, tmp_path, monkeypatch):
    if words and words[0] in set(COMMANDS) - set(NEED_CONFIGURATION):
        words = ["--version", *words]  # these do real work when the words happen to be right
    monkeypatch.chdir(tmp_path)
    check_outcome(words)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"!!python/none", b"{", b"\t- a"])
def test_files_that_are_no_yaml(content, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_bytes(content)
    assert refused(["train", "--config-file", tmp_path / "bad.yaml"], capsys)
