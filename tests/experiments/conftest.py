"""Runs of the smallest kind, on domains that are drawn once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ddan_torchreid.experiments import plan
from ddan_torchreid.experiments.runs import Job, Options


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root of ``--scale tiny``; the domains are drawn when they are first wanted."""
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture
def options(tiny_root: Path, tmp_path: Path) -> Callable[..., Options]:
    """Options of a tiny experiment in a folder of its own."""

    def make(experiment: str = "table5", **changes) -> Options:
        changes.setdefault("domains", "rendered")
        return Options(experiment, tiny_root, tmp_path / "out", scale="tiny", **changes)

    return make


@pytest.fixture
def job(options: Callable[..., Options]) -> Callable[..., Job]:
    """One training run of a row of Table 5."""

    def make(row: str = "similarity", seed: int = 1, **changes) -> Job:
        return plan.make(options(rows=[row], seeds=seed, **changes)).job_of(row, seed)

    return make
