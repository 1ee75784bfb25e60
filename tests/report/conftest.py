"""One report of everything, drawn once for all tests that look at it."""

import pytest

from ddan_torchreid.report import contents, results
from tests.report.sample import explained, others, searched, table5, write


@pytest.fixture(scope="session")
def whole_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return contents.report(
        results.load(write(folder, [*explained(), *others(folder), *searched()]))
    )


@pytest.fixture(scope="session")
def table5_report(tmp_path_factory):
    return contents.report(results.load(write(tmp_path_factory.mktemp("results"), table5())))
