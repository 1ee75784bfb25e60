"""The choice of the central domain, before training and on demand."""

import re

import pytest

from ddan_torchreid.cli import main
from tests.commands.refused import refused
from tests.small_data import CONFIG, SOURCES


@pytest.fixture
def words(small_root, tmp_path):
    pairs = ("data.save_dir", str(tmp_path), "train.max_epoch", "1", "use_gpu", "False")
    return ["--config-file", CONFIG, *pairs]


def rows_of(text):
    """The rows of the table of distances, below its header."""
    rows = [line.split() for line in text.splitlines()]
    return [row for row in rows if row and row[0] in SOURCES and row[1] not in SOURCES]


def test_auto_is_decided_before_training_and_again_from_the_trained_model(words, tmp_path, capsys):
    assert main(["train", *words, "--central-domain", "auto"]) == 0
    output = capsys.readouterr().out
    (first,) = re.findall(r"=> Central domain: (\w+)", output)
    before, _, after = output.partition("=> Central domain:")
    assert "Sum  To itself" in before
    assert "=> Start training" in after
    assert before.count("features of random weights; Eq. 3 is meant for") == 1
    table = rows_of(before)
    sums = {row[0]: float(row[-2]) for row in table}
    assert len(sums) == 3
    assert sums[first] == min(sums.values())

    weights = str(tmp_path / "model" / "model.pth.tar-1")
    assert main(["central-domain", *words, "--weights", weights, "--samples", "30"]) == 0
    again = capsys.readouterr().out
    assert re.search(r"Central domain: (\w+)$", again.strip())
    assert "Sum  To itself" in again
    assert again.count(f"features of trained weights ({weights})\n") == 1
    for key in ("model.resume", "model.load_weights"):
        assert main(["central-domain", *words, "--samples", "5", key, weights]) == 0
        assert f"features of trained weights ({weights})\n" in capsys.readouterr().out
    trained = rows_of(again)
    assert [row[0] for row in trained] == [row[0] for row in table]
    assert trained != table


def test_a_name_is_taken_as_it_is_and_checked(words, capsys):
    said = refused(["train", *words, "--central-domain", "park"], capsys)
    assert "central_domain='park' is not among the sources" in said
