"""Random configurations: each is refused in one line, or accepted and able to start."""

import string

import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ddan_torchreid.config import schema
from ddan_torchreid.config.option_values import WORDS
from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.config.values import convert
from ddan_torchreid.integration import builder, checks

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
KEYS = list(schema.SCHEMA) + [f"ddan.{name}" for name in schema.ddan_defaults()]


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
@example(text="train:\n  lr: !!float {}")
@example(text="train:\n  lr: !!bool maybe")
@example(text="train:\n  lr: !!int ''")
@example(text="train:\n  lr: !!timestamp x")
@example(text="train:\n  lr: !!binary é")
@example(text="data: &a\n  height: *a")
@example(text="&a [*a]")
@example(text="data:\n  sources: &a [*a]")
@example(text="? [1]\n: 2")
@example(text="? {1: 2}\n: 2")
@example(text="[" * 3000)
@example(text="train:\n  seed: " + "9" * 5000)
@example(text="train:\n  lr: " + "9" * 400)
@example(text="a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ndata: {sources: [*c, *c]}")
@example(text="<<: 3")
@example(text="train: {<<: [1]}")
def test_a_random_text_is_refused_in_one_line_or_read(text, tmp_path):
    path = tmp_path / "random.yaml"
    path.write_bytes(text.encode("utf-8"))
    refused_in_one_line(lambda: schema.merge_file(schema.get_default_config(), path))


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


@SMALL
@given(key=st.sampled_from(KEYS) | st.text(max_size=10), value=st.text(max_size=12) | SCALARS)
def test_a_random_pair_is_refused_in_one_line_or_checked(key, value):
    configuration = schema.get_default_config()
    pair = [key, value if isinstance(value, str) else repr(value)]
    if not refused_in_one_line(lambda: schema.merge_options(configuration, pair)):
        refused_in_one_line(lambda: checks.check(configuration))


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


NUMBERS = st.one_of(
    st.integers(-2, 20), st.floats(), st.sampled_from([10**400, True, "1", None, [], {}])
)


@SMALL
@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            name: {
                "alignment": st.sampled_from(WORDS["alignment"]) | GARBAGE,
                "neck": st.sampled_from(WORDS["neck"]) | GARBAGE,
                "confusion": st.sampled_from(WORDS["confusion"]) | GARBAGE,
                "similarity_reduction": st.sampled_from(WORDS["similarity_reduction"]) | GARBAGE,
                "similarity_log": st.sampled_from(WORDS["similarity_log"]) | GARBAGE,
            }.get(name, NUMBERS)
            for name in DDANSettings.names()
        },
    )
)
def test_random_settings_are_refused_in_one_line_or_legal(options):
    made = []
    if refused_in_one_line(lambda: made.append(DDANSettings(**options))):
        return
    kept = made[0]
    for field in ("weight_identity", "weight_triplet", "weight_adversarial", "weight_similarity"):
        assert torch.isfinite(torch.tensor(float(getattr(kept, field)), dtype=torch.float32))
    assert kept.temperature > 0
    assert 0 <= kept.label_smoothing < 1
    assert isinstance(kept.top_k, int)
    assert kept.top_k >= 1
    assert isinstance(kept.exclude_own_identity, bool)
    assert kept.seed is None or 0 <= kept.seed < 2**32


CHOICES = {
    "ddan.alignment": st.sampled_from(WORDS["alignment"]),
    "ddan.neck": st.sampled_from(WORDS["neck"]),
    "ddan.confusion": st.sampled_from(WORDS["confusion"]),
    "ddan.similarity_reduction": st.sampled_from(WORDS["similarity_reduction"]),
    "ddan.similarity_log": st.sampled_from(WORDS["similarity_log"]),
    "ddan.central_domain": st.sampled_from(["film", "mall", "x"]),
    "ddan.weight_identity": st.floats(0, 2),
    "ddan.weight_triplet": st.sampled_from([0.0, 1.0]),
    "ddan.weight_adversarial": st.floats(0, 1),
    "ddan.weight_similarity": st.floats(0, 1),
    "ddan.label_smoothing": st.floats(0, 1.2),
    "ddan.temperature": st.floats(-0.1, 2),
    "ddan.top_k": st.integers(0, 12),
    "ddan.hidden_dim": st.integers(0, 8),
    "ddan.update_rate": st.floats(-0.1, 1.1),
    "ddan.exclude_own_identity": st.booleans(),
    "ddan.dropout": st.floats(0, 1),
    "sampler.train_sampler": st.sampled_from(
        ["MultiDomainIdentitySampler", "RandomIdentitySampler", "RandomSampler"]
    ),
    "sampler.num_instances": st.integers(0, 5),
    "train.batch_size": st.integers(1, 24),
    "train.optim": st.sampled_from(["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"]),
    "train.lr": st.floats(-0.1, 0.1),
    "train.seed": st.integers(-1, 2**33),
    "train.stepsize": st.lists(st.integers(0, 3), max_size=2),
    "train.lr_scheduler": st.sampled_from(["single_step", "multi_step", "cosine", "step"]),
    "train.print_freq": st.integers(0, 2),
    "sgd.nesterov": st.booleans(),
    "sgd.momentum": st.sampled_from([0.0, 0.9]),
    "adam.beta1": st.floats(0, 1),
    "data.transforms": st.lists(
        st.sampled_from(["ddan", "random_flip", "color_jitter"]), max_size=2
    ),
    "data.workers": st.integers(-1, 0),
    "data.k_tfm": st.integers(0, 2),
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
    batch = next(iter(engine.train_loader), None)
    assert batch is not None
    summary = engine.forward_backward(batch)
    assert torch.isfinite(torch.tensor(list(summary.values()))).all()
