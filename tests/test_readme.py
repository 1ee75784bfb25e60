"""Every command and every snippet of the README runs, in an empty folder beside the data."""

import importlib
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ddan_torchreid.cli import main
from tests import github_layout, miniatures
from tests.models.test_official import Release

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

# What makes a command quick: none of it is in the README, and each is for one kind of command.
SMALL_MODEL = "ddan_mobilenetv2_x0_35"
QUICK = [
    *("model.name", SMALL_MODEL, "model.pretrained", "False", "train.max_epoch", "1"),
    *("data.height", "32", "data.width", "32", "data.workers", "0", "use_gpu", "False"),
    *("test.eval_freq", "1"),
]
RUNS = itertools.count()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands():
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


OURS = [words[1:] for words in commands() if words[0] == "ddan-torchreid"]
TOOLS = [words[1:] for words in commands() if words[0] == "python"]
TORCHRUN = [words[1:] for words in commands() if words[0] == "torchrun"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, real_root):
    """Where a reader stands: the data in `reid-data`, and a trained model from a day before."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "reid-data").symlink_to(real_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["train", "--config-file", "ddan_no_duke.yaml", "--root", "reid-data"]
        assert main([*words, *QUICK]) == 0
    github_layout.write_scripts(folder / "deep-person-reid" / "scripts")
    torch.save(Release().state(), folder / "checkpoint.pth.tar")
    images = sorted((real_root / "cuhksysu" / "cropped_images").iterdir())
    (folder / "crops").mkdir()
    for path in images[:5]:
        shutil.copy(path, folder / "crops")
    shutil.copy(images[5], folder / "crops" / "query.jpg")
    rows = [f"{path},{path.name.split('_')[0]},{number % 2}" for number, path in enumerate(images)]
    (folder / "shop.csv").write_text("\n".join(["path,pid,camid", *rows]))
    for part in ("model", "discriminator", "identity_pool"):
        path = folder / "log" / "ddan_no_duke" / part
        for epoch in (90, 100):
            (path / f"model.pth.tar-{epoch}").write_bytes((path / "model.pth.tar-1").read_bytes())
    return folder


def quick(words):
    """The same command on small images, with a narrow model, for one epoch."""
    if words[0] not in ("train", "evaluate", "central-domain", "run"):
        return words
    pairs = [QUICK[i : i + 2] for i in range(0, len(QUICK), 2)]
    if words[0] == "train" and "--resume" not in words:
        # Not where another model is, such as that from a day before: a plain run overwrites none.
        pairs.append(["data.save_dir", f"log/{next(RUNS)}"])
    return [*words, *(word for pair in pairs if pair[0] not in words for word in pair)]


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_a_command_of_the_readme_runs(words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if words[0] == "run":  # torchreid's script closes the standard output at its end
        command = [sys.executable, "-W", "ignore", "-m", "ddan_torchreid", *quick(words)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Evaluating viper (target)" in output
        return
    assert main(quick(words)) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def test_the_tools_of_the_readme_run(folder, monkeypatch):
    """In their order: the report is on what the experiment has found."""
    monkeypatch.chdir(folder)
    pairs = ["--seeds", "1", *QUICK, "sampler.num_instances", "2", "train.batch_size", "32"]
    for tool, *words in TOOLS:
        main_of_tool = importlib.import_module(Path(tool).stem).main
        assert main_of_tool([*words, *(pairs if "experiment" in tool else [])]) == 0
    assert "| + L_SE |" in (folder / "runs" / "experiments" / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("words", TORCHRUN, ids=" ".join)
def test_the_command_for_several_processes_runs(words, folder):
    start = words.index("train")
    small = [*words[:start], *quick(words[start:])]
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *small]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Evaluating viper (target)") == 1


def test_other_commands_of_the_readme_exist():
    targets = set(re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    others = [
        words for words in commands() if words[0] not in ("ddan-torchreid", "torchrun", "python")
    ]
    for words in others:
        if words[0] == "make":
            assert words[1] in targets
        else:
            assert words[:2] == ["pip", "install"], words
            extras = set(re.findall(r"\[(\w+)\]", words[2]))
            declared = set(re.findall(r'"(\w+)": ', (REPOSITORY / "setup.py").read_text()))
            assert extras <= declared
    assert ["make", "demo"] in others
    assert ["make", "test"] in others


def test_the_snippet_of_the_readme_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    snippet, _ = blocks("python")
    assert len(snippet.strip().splitlines()) <= 18
    for text, small in (
        ("height=256, width=128", "height=32, width=32, workers=0"),
        ("ddan_mobilenetv2_x1_0", SMALL_MODEL),
        ('loss="ddan"', 'loss="ddan", pretrained=False'),
        ("max_epoch=100", "max_epoch=1"),
    ):
        assert text in snippet
        snippet = snippet.replace(text, small)
    exec(compile(snippet, "README.md", "exec"), {})
    output = capsys.readouterr().out
    for name in miniatures.TARGETS:
        assert f"Evaluating {name} (target)" in output
    assert (folder / "log" / "ddan" / "model" / "model.pth.tar-1").is_file()


def test_the_snippet_about_features_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    _, snippet = blocks("python")
    assert "ddan_mobilenetv2_x1_0" in snippet
    names: dict = {}
    exec(compile(snippet.replace("ddan_mobilenetv2_x1_0", SMALL_MODEL), "README.md", "exec"), names)
    assert names["features"].shape == (1, 1280)
    assert names["model"].name == SMALL_MODEL


def test_the_readme_names_every_configuration_and_dataset():
    for path in (REPOSITORY / "configs").glob("*.yaml"):
        assert f"`{path.name}`" in README
    for name in [*miniatures.SOURCES, *miniatures.TARGETS]:
        assert f"`{name}`" in README


def test_links_to_files_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (REPOSITORY / target).exists(), target
