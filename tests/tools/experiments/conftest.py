"""A data root on which a run takes seconds, and studies on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import experiment
import pytest

from tests import miniatures

TINY = [
    *("data.sources", "['market1501', 'cuhksysu']", "data.targets", "['ilids']"),
    *("data.height", "32", "data.width", "16", "data.workers", "0", "data.combineall", "False"),
    *("model.name", "ddan_mobilenetv2_x0_35", "model.pretrained", "False"),
    *("train.max_epoch", "2", "train.batch_size", "32", "ddan.similarity_start_epoch", "1"),
]


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root with miniatures of two sources and a target."""
    root = tmp_path_factory.mktemp("tiny")
    miniatures.write_market1501(root)
    miniatures.write_cuhksysu(root)
    miniatures.write_ilids(root)
    return root


@pytest.fixture(scope="session")
def words(tiny_root: Path) -> Callable[..., list[str]]:
    """Command line of a study whose runs take seconds."""
    return lambda name, *more: [name, "--root", str(tiny_root), *TINY, *more]


@pytest.fixture(scope="session")
def study(words: Callable[..., list[str]]) -> Callable[..., int]:
    """Carries out such a study in a folder; returns the exit status."""
    return lambda name, folder, *more: experiment.main(words(name, "--output", str(folder), *more))
