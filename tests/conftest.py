"""Fixtures of the whole test suite."""

from __future__ import annotations

import os
import signal

# One thread each: the suite runs on shared machines, where waiting threads cost more than they do.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic
import torch

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.integration import builder
from tests import miniatures, small_data
from tests.whole_runs import EPOCHS


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root with miniatures of the nine real datasets; torchreid adds its split files."""
    root = tmp_path_factory.mktemp("real")
    miniatures.write_all(root)
    return root


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of synthetic domains, 10 identities for training each, known here by their names."""
    folders = synthetic.draw(
        tmp_path_factory.mktemp("small"), [*small_data.SOURCES, *small_data.TARGETS],
        identities=10, images=2, test_identities=6, size=(64, 32), progress=False,
    )  # fmt: skip
    synthetic.register(folders)
    return folders["plaza"].parent


@pytest.fixture(autouse=True)
def _small_domains(request: pytest.FixtureRequest) -> None:
    """Their names lead to ``small_root``, whatever another test has given these names to."""
    if "small_root" in request.fixturenames:
        root = request.getfixturevalue("small_root")
        names = (*small_data.SOURCES, *small_data.TARGETS)
        synthetic.register({name: root / name for name in names})


@pytest.fixture
def small_config(small_root: Path, tmp_path: Path) -> Callable:
    """A configuration that trains in seconds; arguments are further KEY VALUE pairs."""

    def make(*options: str):
        config = configuration.get_default_config()
        configuration.merge_file(config, small_data.CONFIG)
        pairs = ["data.root", str(small_root), "data.save_dir", str(tmp_path / "log")]
        configuration.merge_options(config, [*pairs, *options])
        return config

    return make


@pytest.fixture
def small_engine(small_config: Callable) -> Callable:
    """An engine of the small configuration, built as the command line builds it."""
    return lambda *options: builder.build(small_config(*options))


@pytest.fixture
def words(small_root: Path) -> list[str]:
    """A command that trains in seconds."""
    pairs = {
        "data.sources": "['mall', 'film']",
        "data.targets": "['snow']",
        "data.height": "32",
        "data.width": "16",
        "train.batch_size": "16",
    }
    flags = small_data.flags(small_root, "mall", "film", "snow")
    words = [word for pair in pairs.items() for word in pair]
    return ["train", *flags, "--config-file", small_data.CONFIG, *words]


def pytest_configure(config: pytest.Config) -> None:
    """Hides GPUs from all tests but those of `make test-gpu`: most compare bits, and with tensors
    of the CPU. Lets interrupts through, which some tests send."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of several processes come first: they fork, and autograd refuses to work in the child
    of a process in which it has started threads, as some later test makes it do.

    Tests in gpu/ are marked so.
    """
    items.sort(key=lambda item: "distributed" not in item.path.parts)
    without = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
    for item in items:
        if "gpu" in item.path.parts:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(without)


@pytest.fixture
def run(small_config, tmp_path):
    """Trains by the command line's way; an action may be taken after some steps."""

    def train(folder, *options, after=None, action=None):
        settings = small_config(
            *("train.max_epoch", str(EPOCHS), "data.save_dir", str(tmp_path / folder)),
            *("data.height", "32", "data.width", "16", "train.batch_size", "16"),
            *("data.sources", "['mall', 'film']", *options),
        )
        engine = builder.build(settings)
        step, steps = engine.forward_backward, 0

        def counted(data):
            nonlocal steps
            summary = step(data)
            steps += 1
            if steps == after:
                action()
            return summary

        engine.forward_backward = counted
        engine.run(**configuration.arguments(settings, "run"))
        return engine

    return train
