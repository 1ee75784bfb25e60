"""Fixtures of the tests of the data package."""

import shutil

import pytest
import synthetic

from ddan_torchreid.data.datasets.download import MAX_BYTES
from ddan_torchreid.data.datasets.published import DATASETS
from tests.data.bad_files import SOURCES, TARGET


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    synthetic.draw(
        folder, [*SOURCES, TARGET], identities=4, images=2, test_identities=3, size=(32, 16),
        progress=False,
    )  # fmt: skip
    return folder


@pytest.fixture
def damaged_root(drawn_once, tmp_path):
    """Domains to damage: 4 identities of each in training, 3 in testing."""
    return shutil.copytree(drawn_once, tmp_path / "data")


@pytest.fixture
def small_cuhksysu(monkeypatch):
    """CUHK-SYSU of four crops of three persons."""
    part = DATASETS["cuhksysu"].parts[0]._replace(images=4, persons=3)
    monkeypatch.setitem(DATASETS, "cuhksysu", DATASETS["cuhksysu"]._replace(parts=(part,)))
    monkeypatch.setitem(MAX_BYTES, "cuhksysu", 10_000)
