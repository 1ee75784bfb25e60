"""Every command and snippet of the README and of the pages runs, in a folder beside the data."""

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
from ddan_torchreid.config import schema
from ddan_torchreid.data.datasets.download import FILE_IDS
from tests import github_layout, miniatures
from tests.models.released import Release

REPOSITORY = Path(__file__).parent.parent
NAMES = (
    "training", "evaluation", "data", "gpus_and_speed", "experiments", "departures", "model_card",
)  # fmt: skip
PAGES = [
    REPOSITORY / name
    for name in ("README.md", *(f"docs/{name}.md" for name in NAMES), "CONTRIBUTING.md")
]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}

# What makes a command quick: none of it is on a page, and each is for one kind of command.
SMALL_MODEL = "ddan_mobilenetv2_x0_35"
QUICK = [
    *("model.name", SMALL_MODEL, "model.pretrained", "False", "train.max_epoch", "1"),
    *("data.height", "32", "data.width", "32", "data.workers", "0", "use_gpu", "False"),
    *("test.eval_freq", "1", "data.targets", "['ilids']"),
]
TAKE_QUICK = ("train", "evaluate", "central-domain", "run")
RUNS = itertools.count()


def blocks(language, pages=PAGES):
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for page in pages for block in pattern.findall(TEXTS[page])]


def commands():
    """All commands in the order of the pages, each once, without what only sets a variable."""
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    words = (shlex.split(line, comments=True) for line in lines if line.strip())
    found = (tuple(itertools.dropwhile(lambda word: "=" in word, each)) for each in words)
    return list(dict.fromkeys(found))


COMMANDS = commands()
OURS = [words[1:] for words in COMMANDS if words[0] == "ddan-torchreid"]
PYTHON = [words[1:] for words in COMMANDS if words[0] == "python"]
TORCHRUN = [words[1:] for words in COMMANDS if words[0] == "torchrun"]
SCRIPTS = [words for words in COMMANDS if words[0].endswith(".sh")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, real_root):
    """Where a reader stands: the data in `reid-data`, and a trained model from a day before."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(real_root, folder / "reid-data")
    shutil.copytree(REPOSITORY / "docs" / "photographs", folder / "docs" / "photographs")
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
    """The same command on small images, with a narrow model, for one epoch and one target."""
    if words[0] not in TAKE_QUICK:
        return [*words]
    pairs = [QUICK[i : i + 2] for i in range(0, len(QUICK), 2)]
    if "ddan" in words or (words[0] == "evaluate" and "--weights" not in words):
        pairs = pairs[1:]  # the weights of the package are of a wider model
    if words[0] == "train" and "--resume" not in words:
        # Not where another model is, such as that from a day before: a plain run overwrites none.
        pairs.append(["data.save_dir", f"log/{next(RUNS)}"])
    given = {*words, *(("data.targets",) if "-t" in words else ())}
    return [*words, *(word for pair in pairs if pair[0] not in given for word in pair)]


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_a_command_runs(words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if words[0] == "download":  # what it does then has tests of its own
        assert words[1] in FILE_IDS
        return
    if words[0] == "run":  # torchreid's script closes the standard output at its end
        command = [sys.executable, "-W", "ignore", "-m", "ddan_torchreid", *quick(words)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Evaluating ilids (target)" in output
        return
    # The miniatures are not as published.
    expected = 1 if words[0] == "check-data" and "--root" in words else 0
    assert main(quick(words)) == expected, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("words", PYTHON, ids=" ".join)
def test_a_tool_runs(words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    tool, *words = words
    assert (REPOSITORY / tool).is_file()
    main_of_tool = importlib.import_module(Path(tool).stem).main
    if "photographs" in words:  # a refusal shows that the command is right but for the images
        assert main_of_tool(words) == 2
        assert "cuhk03p1" in capsys.readouterr().err
    elif "experiment" in tool:
        pairs = ["--seeds", "1", *QUICK, "sampler.num_instances", "2", "train.batch_size", "32"]
        assert main_of_tool([*words, *pairs]) == 0
    elif "benchmark" in tool:
        pytest.skip("has a slow test")
    elif "demo" in tool:
        assert main_of_tool([*words, "--quick"]) == 0
    elif "contact_sheet" in tool:
        few = ["--domains", "snow", "--identities", "1"]
        monkeypatch.setattr(sys, "argv", [tool, *words, *few])
        main_of_tool()
        assert (folder / words[0]).is_file()
    else:
        assert main_of_tool(words) == 0


@pytest.mark.slow
@pytest.mark.parametrize("words", [w for w in PYTHON if "benchmark" in w[0]], ids=" ".join)
def test_a_benchmark_runs(words, folder):
    command = [sys.executable, str(REPOSITORY / words[0]), *words[1:], "--tiny", "--rounds", "1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("words", TORCHRUN, ids=" ".join)
def test_the_command_for_several_processes_runs(words, folder):
    start = words.index("train")
    small = [*words[:start], *quick(words[start:])]
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *small]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Evaluating ilids (target)") == 1


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_a_script_knows_its_command(words):
    """Running it takes a GPU and images that are not here; its usage lists what it knows."""
    usage = subprocess.run(["bash", REPOSITORY / words[0]], capture_output=True, text=True).stdout
    assert re.search(rf"{Path(words[0]).name} {words[1]}\b", usage)


def test_other_commands_exist():
    targets = set(re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    tested = ("ddan-torchreid", "torchrun", "python")
    others = [words for words in COMMANDS if words[0] not in tested and words not in SCRIPTS]
    for words in others:
        if words[0] == "make":
            assert words[1] in targets
        else:
            assert words[:2] == ("pip", "install"), words
            extras = set(re.findall(r"\[(\w+)\]", words[2]))
            declared = set(re.findall(r'"(\w+)": ', (REPOSITORY / "setup.py").read_text()))
            assert extras <= declared
    assert ("make", "demo") in others
    assert ("make", "test") in others


FEATURES, TRAINING = blocks("python", PAGES[:1])


def run_snippet(snippet, *small):
    for text, replacement in small:
        assert text in snippet
        snippet = snippet.replace(text, replacement)
    names = {"__name__": "__main__"}
    exec(compile(snippet, "snippet", "exec"), names)
    return names


def test_the_snippet_that_trains_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    run_snippet(
        TRAINING,
        ("height=256, width=128", "height=32, width=32, workers=0"),
        ('["viper", "prid", "grid", "ilids"]', '["ilids"]'),
        ("ddan_mobilenetv2_x1_0", SMALL_MODEL),
        ('loss="ddan"', 'loss="ddan", pretrained=False'),
        ("max_epoch=100", "max_epoch=1"),
    )
    assert "Evaluating ilids (target)" in capsys.readouterr().out
    assert (folder / "log" / "ddan" / "model" / "model.pth.tar-1").is_file()


def test_the_snippet_about_features_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = run_snippet(FEATURES, ("ddan_mobilenetv2_x1_0", SMALL_MODEL))
    assert names["features"].shape == (1, 1280)
    assert names["model"].name == SMALL_MODEL


@pytest.mark.parametrize("snippet", blocks("python", PAGES[1:]))
def test_a_snippet_of_a_page_runs(snippet, capsys):
    run_snippet(snippet)
    assert capsys.readouterr().out


def test_every_configuration_and_dataset_is_named():
    for path in (REPOSITORY / "configs").glob("*.yaml"):
        assert f"`{path.name}`" in TEXTS[PAGES[0]]
    for name in [*miniatures.SOURCES, *miniatures.TARGETS]:
        assert f"`{name}`" in TEXTS[REPOSITORY / "docs" / "data.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_keys_and_links_lead_somewhere(page):
    known = schema.known_keys(schema.get_default_config())
    sections = "|".join({key.split(".")[0] for key in known if "." in key})
    for key in re.findall(rf"`((?:{sections})\.(?!yaml)\w+)[` ]", TEXTS[page]):
        assert key in known
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        if not target.startswith("https://"):
            name, _, heading = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            assert not heading or heading in headings(file), target


def headings(file):
    """As GitHub names them in links."""
    found = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in found}
