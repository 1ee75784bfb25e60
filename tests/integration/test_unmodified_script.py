"""A script with the structure of torchreid's ``main.py``, through three ways, on two torchreids.

Each process costs seconds, so the ways share the work: one trains, two resume, one evaluates.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import torchreid

from ddan_torchreid.integration import autoload
from ddan_torchreid.training import checkpoint
from tests import github_layout, miniatures
from tests.whole_runs import differences

REPOSITORY = Path(__file__).parents[2]
SMALL_OSNET = """
loss: {triplet: {weight_x: 1.0}}
model: {name: osnet_x0_25, pretrained: False}
data: {sources: [market1501], targets: [market1501], height: 64, width: 32, workers: 0}
sampler: {train_sampler: RandomIdentitySampler}
train: {max_epoch: 2, batch_size: 16, print_freq: 1}
"""
# Runs a script twice: one process instead of two.
SOFTMAX_AND_TRIPLET = """
import runpy, sys
script, folder, *words = sys.argv[1:]
sys.path[0] = script.rpartition("/")[0]
for loss in ("softmax", "triplet"):
    sys.argv = [script, *words, "loss.name", loss, "data.save_dir", f"{folder}/{loss}"]
    runpy.run_path(script, run_name="__main__")
print("ddan_torchreid" in sys.modules)
"""


class Checkout:
    """A stand-in for a checkout of torchreid, and a Python that has the autoload enabled."""

    def __init__(self, folder: Path) -> None:
        github_layout.write_package(folder / "checkout")
        self.script = github_layout.write_scripts(folder / "checkout" / "scripts")
        self.edited = github_layout.write_scripts(folder / "edited" / "scripts")
        self.edited.write_text("import ddan_torchreid\n" + self.edited.read_text())
        self.folder = folder
        venv.create(folder / "venv", symlinks=os.name != "nt")
        autoload.enable(next((folder / "venv").rglob("site-packages")))
        self.autoloading = str(folder / "venv" / "bin" / "python")

    def run(self, *command: object, github: bool = True, succeeds: bool = True) -> str:
        """Runs a command; returns what it printed, standard output first."""
        path = [str(REPOSITORY), sysconfig.get_path("purelib")]
        if github:
            path.insert(0, str(self.folder / "checkout"))
        result = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        assert (result.returncode == 0) is succeeds, result.stdout[-2000:] + result.stderr
        return result.stdout + result.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("github"))


@pytest.fixture(scope="module")
def words(checkout, real_root):
    """Arguments of the script: a configuration that trains in seconds."""
    path = checkout.folder / "ddan.yaml"
    path.write_text(
        "loss: {name: ddan}\n"
        "model: {name: ddan_mobilenetv2_x0_35, pretrained: False}\n"
        "data: {sources: [dukemtmcreid, market1501], targets: [market1501], height: 64,\n"
        "       width: 32, workers: 0, transforms: [ddan]}\n"
        "sampler: {train_sampler: MultiDomainIdentitySampler}\n"
        "ddan: {central_domain: market1501, top_k: 3, similarity_start_epoch: 1}\n"
        "train: {batch_size: 16, max_epoch: 2, print_freq: 1}\n"
        "test: {normalize_feature: True, eval_freq: 1}\n"
    )
    return ["--config-file", path, "--root", real_root]


@pytest.fixture(scope="module")
def trained(checkout, words):
    """Folder and output of the launcher's run: two epochs, each with its checkpoint."""
    folder = checkout.folder / "trained"
    command = [sys.executable, "-m", "ddan_torchreid", "run", checkout.script]
    return folder, checkout.run(*command, *words, "data.save_dir", folder)


def scores(output):
    return re.findall(r"(mAP|Rank-\d+) *: (.*)", output)


def test_the_launcher_trains_on_the_repository_s_torchreid(trained, checkout):
    output = trained[1]
    assert str(checkout.folder / "checkout" / "torchreid" / "__init__.py") in output
    for term in ("id", "tri", "conf", "sim", "dom"):
        assert re.search(rf"epoch: .* {term} \d", output), term
    assert "central_domain: market1501" in output
    assert len(scores(output)) == 2 * 5


@pytest.mark.parametrize("torchreid_of", ["the repository", "PyPI"])
def test_a_resumed_run_equals_the_uninterrupted_one(trained, checkout, words, torchreid_of):
    folder, output = trained
    resumed = checkout.folder / f"resumed {torchreid_of}"
    github = torchreid_of == "the repository"
    command = [sys.executable, checkout.edited]
    if not github:
        command = [sys.executable, "-m", "ddan_torchreid", "run", checkout.script]
    first = folder / "model" / "model.pth.tar-1"
    options = ["data.save_dir", resumed, "model.resume", first]
    again = checkout.run(*command, *words, *options, github=github)
    assert (torchreid.__file__ in again) is not github
    assert "epoch: [1/2]" not in again
    assert scores(again) == scores(output)[5:]
    for name in ("model", "discriminator", "identity_pool"):
        file = Path(name) / "model.pth.tar-2"
        states = [checkpoint.read(each / file) for each in (folder, resumed)]
        for state in states:
            # It names the output folder.
            state.get("ddan", {}).pop("configuration", None)
        assert not differences(*states)
    # The second epoch trained something, so equal files say something.
    assert differences(checkpoint.read(first), checkpoint.read(folder / "model/model.pth.tar-2"))


def test_the_unmodified_script_evaluates_after_autoload_enable(trained, checkout, words):
    folder, output = trained
    seen = checkout.folder / "evaluated"
    options = {
        "data.save_dir": seen,
        "model.load_weights": folder / "model" / "model.pth.tar-2",
        "test.evaluate": True,
        "test.visrank": True,
        "test.visrank_topk": 3,
    }
    pairs = [word for pair in options.items() for word in pair]
    evaluated = checkout.run(checkout.autoloading, checkout.script, *words, *pairs)
    assert scores(evaluated) == scores(output)[5:]
    assert list((seen / "visrank_market1501").glob("*.jpg"))
    assert not (seen / "model").exists()


def test_other_losses_are_the_same_with_and_without_the_plugin(checkout):
    miniatures.write_market1501(checkout.folder / "market")
    path = checkout.folder / "plain.yaml"
    path.write_text(SMALL_OSNET)
    words = ["--config-file", path, "--root", checkout.folder / "market"]
    runs = {}
    for name, python in (("without", sys.executable), ("with", checkout.autoloading)):
        folder = checkout.folder / name
        output = checkout.run(python, "-c", SOFTMAX_AND_TRIPLET, checkout.script, folder, *words)
        losses = re.findall(r"(loss\w*|acc) ([\d.]+)", output)
        configuration = output[: output.index("=> Loading train")].replace(str(folder), "")
        has_plugin = "True" in output.splitlines()
        runs[name] = (losses, scores(output), configuration)
        assert has_plugin is (name == "with")
    assert runs["with"] == runs["without"]
    assert {term for term, _ in runs["with"][0]} >= {"loss", "loss_t", "loss_x"}
    for loss in ("softmax", "triplet"):
        # torchreid's own files hold NumPy scalars.
        states = [
            checkpoint.read(checkout.folder / name / loss / "model" / "model.pth.tar-2")
            for name in ("with", "without")
        ]
        assert not differences(*states)
