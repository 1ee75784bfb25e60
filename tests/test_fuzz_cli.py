"""Random command lines: rejected input is one line and exit status 2, never a traceback."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ddan_torchreid.cli import COMMANDS, main
from ddan_torchreid.config import schema
from ddan_torchreid.integration import builder
from tests.small_data import CONFIG

SMALL = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEYS = list(schema.SCHEMA) + [f"ddan.{name}" for name in schema.ddan_defaults()]
# No command line can hold a NUL; what is no UTF-8 in it reaches Python as a lone surrogate.
WORDS = st.text(st.characters(exclude_characters="\x00"), max_size=10) | st.sampled_from(
    ["-1", "--", "-", "-s", "--root", "--config-file", "nan", "[1", "a=b", "\udcff", "[]", "{}"]
)
VALUES = st.one_of(
    WORDS,
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.integers(-1, 3) | st.text("ab'", max_size=3), max_size=3).map(str),
    st.sampled_from(["9" * 400, "9" * 5000, "(" * 500, "None", "1e999", "{[]: 1}", "lambda: 0"]),
)
PAIRS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=3).map(
    lambda pairs: [word for pair in pairs for word in pair]
)
FLAGS = st.lists(
    st.one_of(
        st.tuples(st.just("--config-file"), st.sampled_from([CONFIG, "ddan_no_duke"]) | WORDS),
        st.tuples(st.sampled_from(["-s", "-t"]), st.sampled_from(["viper", "mall"])),
        st.tuples(st.sampled_from(["--sources", "--targets", "--transforms"]), WORDS, WORDS),
        st.tuples(st.just("--root"), WORDS),
        st.tuples(st.just("--dataset"), WORDS | WORDS.map(lambda word: f"own={word}")),
        st.tuples(st.sampled_from(["--weights", "--samples", "--conf", "--Root", "-x"]), WORDS),
    ),
    max_size=4,
)
NEED_CONFIGURATION = ["train", "evaluate", "central-domain"]


class DataLoadingError(Exception):
    """The command line got as far as the data."""


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    def stop(configuration):
        raise DataLoadingError

    monkeypatch.setattr(builder, "build_datamanager", stop)


def outcome(words) -> int | None:
    """Exit status of a command line, None if it got as far as the data."""
    errors = io.StringIO()
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()):
            status = main(words)
    except DataLoadingError:
        return None
    except SystemExit as stop:
        # argparse prints help and stops.
        status = stop.code
    said = errors.getvalue()
    if status == 0:
        assert not said
    else:
        assert status == 2, (status, said)
        assert len(said.splitlines()) == 1, said
        assert said.startswith("ddan-torchreid: error: ")
        assert len(said) > len("ddan-torchreid: error: \n"), "it does not say why"
    return status


@SMALL
@given(command=st.sampled_from(NEED_CONFIGURATION), flags=FLAGS, pairs=PAIRS, data=st.data())
def test_random_flags_and_pairs(command, flags, pairs, data, small_root):
    words = [list(flag) for flag in flags] + [["--root", str(small_root)], pairs]
    ordered = data.draw(st.permutations(words))
    outcome([command, *(word for part in ordered for word in part)])


@SMALL
@given(words=st.lists(WORDS | st.sampled_from(list(COMMANDS)), max_size=4))
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
    outcome(words)


@SMALL
@given(
    tree=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "ddan", "train", "lr", "sources"]), inner)
        ),
        max_leaves=8,
    )
)
def test_random_files(tree, tmp_path):
    path = tmp_path / "random.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    outcome(["train", "--config-file", str(path), "--root", str(tmp_path)])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"!!python/none", b"{", b"\t- a"])
def test_files_that_are_no_yaml(content, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(content)
    assert outcome(["train", "--config-file", str(tmp_path / "bad.yaml")]) == 2


@pytest.mark.parametrize("order", range(3))
def test_a_good_line_gets_as_far_as_the_data_in_any_order(order, small_root):
    parts = [
        ["--config-file", CONFIG],
        ["-t", "snow", "ddan.top_k", "3"],
        ["--root", str(small_root), "train.lr", "1"],
    ]
    parts = parts[order:] + parts[:order]
    assert outcome(["train", *(word for part in parts for word in part)]) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("train.batch_size", "1", "sampler.num_instances", "1"), "2 or more"),
        (("train.print_freq", "0"), "train.print_freq=0 must be a whole number above 0"),
        (("train.lr", "-1"), "train.lr=-1.0 must be a number, 0 or more"),
        (("train.seed", "-1"), "train.seed=-1"),
        (("train.seed", str(2**32)), r"below 2\*\*32"),
        (("train.stepsize", "[]"), "train.stepsize"),
        (("train.stepsize", "[0]"), "train.stepsize"),
        (("train.optim", "adamw"), "did you mean 'adam'"),
        (("train.lr_scheduler", "step"), "write one of single_step, multi_step, cosine"),
        (("test.dist_metric", "cosin"), "did you mean 'cosine'"),
        (("test.visrank", "True"), "test.evaluate True"),
        (("data.norm_std", "[0.2, 0.0, 0.2]"), "data.norm_std"),
        (("data.norm_mean", "[0.5]"), "data.norm_mean"),
        (("adam.beta1", "1.0"), "adam.beta1"),
        (("train.optim", "sgd", "sgd.nesterov", "True", "sgd.momentum", "0.0"), "momentum"),
        (("sampler.train_sampler_t", "Random"), "RandomSampler"),
        (
            ("sampler.train_sampler", "RandomDomainSampler", "sampler.num_cams", "5"),
            "not a multiple of sampler.num_cams=5",
        ),
        (
            ("sampler.train_sampler", "RandomDatasetSampler", "sampler.num_datasets", "4"),
            "more than the 3 sources",
        ),
    ],
)
def test_what_torchreid_would_fail_on_late_is_refused_early(options, says, small_root, capsys):
    good = ["train", "--config-file", CONFIG, "--root", str(small_root)]
    assert main([*good, *options]) == 2
    assert re.search(says, capsys.readouterr().err)
