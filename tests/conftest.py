"""Fixtures of the whole test suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import miniatures


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root with miniatures of the nine real datasets; torchreid adds its split files."""
    root = tmp_path_factory.mktemp("real")
    miniatures.write_all(root)
    return root
