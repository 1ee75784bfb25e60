"""Fixtures of the tests of the data package."""

import shutil

import pytest

from ddan_torchreid.data import rendered
from tests.data.bad_files import SOURCES, TARGET


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    for name in [*SOURCES, TARGET]:
        rendered.draw_domain(
            name, folder, identities=4, images_per_camera=2, test_identities=3,
            height=32, width=16, progress=False,
        )  # fmt: skip
    return folder


@pytest.fixture
def damaged_root(drawn_once, tmp_path):
    """A data root to damage: 4 identities of each domain in training, 3 in testing."""
    return shutil.copytree(drawn_once, tmp_path / "data")
