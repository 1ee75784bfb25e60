"""What `check-data` and `doctor` say of MSMT17, whose images are those of its list files."""

import pytest
import torchreid

from ddan_torchreid.data.datasets import check, layouts
from tests import msmt17


@pytest.fixture
def root(tmp_path):
    msmt17.write_msmt17(tmp_path)
    return tmp_path


@pytest.mark.parametrize("version", ["MSMT17_V1", "MSMT17_V2"])
def test_the_lists_are_read_as_torchreid_reads_them(root, version):
    if version == "MSMT17_V2":
        base = root / "msmt17" / "MSMT17_V1"
        for half in ("train", "test"):
            (base / half).rename(base / f"mask_{half}_v2")
        base.rename(base.with_name(version))
    dataset = torchreid.data.datasets.init_image_dataset(
        "msmt17", root=str(root), combineall=True, verbose=False
    )
    shots = layouts.list_images("msmt17", root).shots
    for split in ("query", "gallery"):
        found = {(shot.path, int(shot.camera) - 1) for shot in shots if shot.split == split}
        assert found == {(path, camera) for path, _, camera, *_ in getattr(dataset, split)}
    # combineall trains on everyone: what torchreid trains on otherwise, the validation, and tests.
    assert {shot.path for shot in shots} == {item[0] for item in dataset.train}
    report = check.check_published("msmt17", root, progress=False)
    assert [(count.part, count.images, count.persons) for count in report.counts] == [
        *[("train", 24, 6), ("val", 4, 4), ("query", 8, 4), ("gallery", 16, 4)]
    ]
    (problem,) = report.problems  # persons of training and test have the same numbers, and are not
    assert problem.text.startswith("the published numbers differ for train, val, query, gallery")


def test_what_is_wrong_is_named(root):
    base = root / "msmt17" / "MSMT17_V1"
    lines = (base / "list_query.txt").read_text().splitlines()
    (base / "list_query.txt").write_text("\n".join([lines[0], "0001.jpg 1"]))
    (problem,) = check.check_published("msmt17", root, progress=False).problems
    assert "list_query.txt, line 2: '0001.jpg 1' is no image with its person" in problem.text
    (base / "list_query.txt").unlink()
    problem = check.check_published("msmt17", root, progress=False).problems[0]
    assert problem.text == "not there (get it: http://www.pkuvmc.com/publications/msmt17.html)"
    assert problem.details == [str(root / "msmt17" / "MSMT17_V*" / "list_query.txt")]
    msmt17.write_msmt17(root)
    image = base / "train" / "0000" / "0000_000_01_0303morning_0008_0.jpg"
    image.unlink()
    problems = check.check_published("msmt17", root, progress=False).problems
    assert any(image.name in detail for each in problems for detail in each.details)
