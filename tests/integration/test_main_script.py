"""What a script's ``default_config`` module does once it has been extended, in this process."""

import copy
import importlib
import io
import sys
import types

import pytest
import torch
import torchreid
from torch import nn
from yacs.config import CfgNode

import ddan_torchreid
from ddan_torchreid.config import schema
from ddan_torchreid.integration import main_script
from ddan_torchreid.system.folder_lock import holds
from tests import github_layout
from tests.other_run import OtherRun


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The module ``default_config`` beside a script, imported as the script does."""
    folder = github_layout.write_scripts(tmp_path / "scripts").parent
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "default_config", raising=False)
    # A run that ends early leaves its replacement behind; a script's process ends with it.
    engine = torchreid.engine.ImageTripletEngine
    yield importlib.import_module("default_config")
    torchreid.engine.ImageTripletEngine = engine
    del sys.modules["default_config"]


def written(tmp_path, text, name="given.yaml"):
    (path := tmp_path / name).write_text(text)
    return str(path)


def rejected(capsys, call, *arguments):
    """The line that a call printed before it ended the script."""
    with pytest.raises(SystemExit) as exit_:
        call(*arguments)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ddan_torchreid: error: ")
    return line


def test_a_configuration_without_ddan_is_merged_by_yacs(script, tmp_path):
    mine = script.get_default_config()
    plain = CfgNode(script.DEFAULTS)
    path = written(tmp_path, "loss: {name: triplet, triplet: {margin: 0.5}}")
    unknown = written(tmp_path, "triplet: 1", "unknown.yaml")
    for each in (mine, plain):
        each.merge_from_file(path)
        each.merge_from_list(["train.lr", "0.1", "data.sources", "('a', 'b')"])
        with pytest.raises(AssertionError, match="Non-existent key"):
            each.merge_from_list(["train.lrr", "0.1"])
        with pytest.raises(KeyError, match="Non-existent config key"):
            each.merge_from_file(unknown)
        with pytest.raises(FileNotFoundError):
            each.merge_from_file("no such file")
        each.merge_from_other_cfg(CfgNode({"test": {"ranks": (1, 2)}}))
    assert mine == plain
    assert str(mine) == str(plain)
    assert "ddan" not in copy.deepcopy(mine)
    before = torchreid.engine.ImageTripletEngine
    assert script.imagedata_kwargs(mine) == script.imagedata_kwargs(plain)
    assert torchreid.engine.ImageTripletEngine is before


@pytest.mark.parametrize("text", ["loss: {name: ddan}", "ddan: {top_k: 8}"])
def test_a_file_that_asks_for_ddan_gets_its_keys(script, tmp_path, text):
    configuration = script.get_default_config()
    configuration.merge_from_file(written(tmp_path, text))
    assert configuration.ddan == schema.get_default_config().ddan


@pytest.mark.parametrize("pair", [("loss.name", "ddan"), ("ddan.top_k", "5")])
def test_options_that_ask_for_ddan_get_its_keys(script, pair):
    configuration = script.get_default_config()
    configuration.merge_from_list(["train.lr", "1", *pair])
    assert configuration.ddan.keys() == schema.get_default_config().ddan.keys()
    assert configuration.train.lr == 1.0


def test_shipped_configurations_are_found_by_name(script):
    configuration = script.get_default_config()
    configuration.merge_from_file("ddan_no_duke")
    assert configuration.data.sources == ["cuhk02", "cuhk03", "market1501", "cuhksysu"]


def test_a_wrong_key_names_the_nearest(script, tmp_path, capsys):
    configuration = script.get_default_config()
    path = written(tmp_path, "{loss: {name: ddan}, ddan: {topk: 3}}")
    assert "did you mean 'ddan.top_k'" in rejected(capsys, configuration.merge_from_file, path)
    options = ["ddan.topk", "3"]
    assert "did you mean 'ddan.top_k'" in rejected(capsys, configuration.merge_from_list, options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("ddan.central_domain", "fil"), "did you mean 'film'"),
        (("data.targets", "['snow', 'test.evaluate', 'True']"), "write --root last"),
        (("model.resume", "model.pth.tar-1"), "model.resume: there is no checkpoint"),
        (("data.type", "video"), "data.type: 'video' is unknown"),
    ],
)
def test_what_cannot_work_is_said_before_the_data_is_built(
    script, small_config, capsys, options, says
):
    configuration = small_config(*options)
    function = getattr(script, f"{configuration.data.type}data_kwargs")
    assert says in rejected(capsys, function, configuration)


@pytest.mark.parametrize("wrap", [nn.Identity, nn.DataParallel], ids=["bare", "DataParallel"])
def test_the_engine_of_the_else_branch_is_ddan_s(script, small_config, capsys, wrap):
    original = torchreid.engine.ImageTripletEngine
    configuration = small_config(
        "ddan.dropout", "0.125", "ddan.update_rate", "0.25", "ddan.neck", "none"
    )
    data = torchreid.data.ImageDataManager(**script.imagedata_kwargs(configuration))
    bare = torchreid.models.build_model(
        configuration.model.name, data.num_train_pids, loss="ddan", pretrained=False
    )
    model = bare if wrap is nn.Identity else wrap(bare)
    optimizer = torch.optim.Adam(model.parameters())

    def build():
        # As main.py calls it, with all that only the triplet loss has.
        return torchreid.engine.ImageTripletEngine(
            data, model, optimizer=optimizer, margin=0.3, weight_t=1.0, weight_x=0.0,
            scheduler=None, use_gpu=False, label_smooth=True,
        )  # fmt: skip

    engine = build()
    assert isinstance(engine, ddan_torchreid.ImageDDANEngine)
    assert engine.settings.update_rate == 0.25
    assert bare.dropout.p == 0.125
    # The optimiser of the command line, which is built later, never had the neck.
    assert optimizer.param_groups[0]["params"] == list(bare.parameters())
    assert not bare.has_neck
    assert torchreid.engine.ImageTripletEngine is original

    configuration.ddan.top_k = 11
    script.imagedata_kwargs(configuration)
    assert "top_k=11 is more than the 10" in rejected(capsys, build)


def test_the_folder_of_a_running_training_is_refused(script, small_config, capsys, tmp_path):
    configuration = small_config()
    other = OtherRun(tmp_path / "log")
    line = rejected(capsys, script.imagedata_kwargs, configuration)
    assert f"in use by another run, process {other.pid};" in line
    other.end()
    script.imagedata_kwargs(configuration)
    assert holds(tmp_path / "log")


def test_no_two_runs_share_a_log_and_it_takes_every_name(script, tmp_path, monkeypatch):
    script.get_default_config().merge_from_list(["loss.name", "ddan"])
    path = tmp_path / "log" / "train.log"
    loggers = []
    for _ in range(2):
        narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
        monkeypatch.setattr(sys, "stdout", narrow)
        loggers.append(torchreid.utils.Logger(str(path)))
        loggers[-1].write("人.jpg \udcff\n")
        loggers[-1].flush()
        assert narrow.buffer.getvalue() == b"\\u4eba.jpg \\udcff\n"
    assert sorted(each.name for each in path.parent.iterdir()) == ["train.log", "train.log-2"]
    assert path.read_text(encoding="utf-8") == "人.jpg \\udcff\n"


def test_weights_replace_those_of_imagenet(script, small_config, tmp_path):
    path = tmp_path / "weights.pth"
    path.touch()
    configuration = small_config(
        "model.name", "ddan_mobilenetv2_x1_0", "model.pretrained", "True", "model.resume", str(path)
    )
    script.imagedata_kwargs(configuration)
    assert not configuration.model.pretrained
    # The script itself must not load the model alone.
    assert configuration.model.resume == ""


def test_other_modules_of_that_name_are_left_alone(script):
    other = types.SimpleNamespace(get_default_config=dict)
    main_script.extend(other)
    assert other.get_default_config is dict
    once = script.get_default_config
    main_script.extend(script)
    assert script.get_default_config is once


def test_the_script_shows_the_keys_that_differ(script):
    configuration = script.get_default_config()
    configuration.merge_from_list(["loss.name", "ddan", "ddan.top_k", "5", "train.lr", "0.1"])
    assert str(configuration) == "train.lr: 0.1\nloss.name: ddan\nddan.top_k: 5"
    assert "weight_similarity" in configuration.dump()  # which a checkpoint keeps
