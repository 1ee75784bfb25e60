"""Bad image files on the command line, and training and scoring without them."""

from collections import Counter

import pytest
import torch

from ddan_torchreid.cli import main
from ddan_torchreid.data.reading import read_safely, skip_unreadable
from tests.data.bad_files import BAD, SOURCES, TARGET, damage, files, flags, manager_of
from tests.small_data import CONFIG


def test_skip_replaces_in_training_and_leaves_out_of_tests(damaged_root, capsys):
    manager = manager_of(damaged_root)
    read_safely(manager)
    train = manager.train_loader.dataset
    before = list(train.data)
    first = [position for position, item in enumerate(before) if item[1] == before[0][1]]
    assert len(first) > 3
    # One identity loses two images, the last one of the list loses all.
    lost = [position for position, item in enumerate(before) if item[1] == before[-1][1]]
    bad = [first[0], first[-1], *lost]
    for position, how in zip(bad, (*BAD, *["empty"] * len(lost)), strict=False):
        damage(before[position][0], how)
    query, gallery = (manager.test_loader[TARGET][split].dataset for split in ("query", "gallery"))
    sizes = len(query), len(gallery)
    damage(query.data[2][0], "text")
    damage(gallery.data[0][0], "truncated")
    gone = [query.data[2][0], gallery.data[0][0]]

    capsys.readouterr()
    skip_unreadable(manager)
    printed = capsys.readouterr().out.splitlines()
    assert f"=> {len(bad) + 2} images cannot be read" in printed
    for path in [*gone, *(before[position][0] for position in bad)]:
        assert sum(line.startswith(f"{path} is no readable image") for line in printed) == 1
    assert (len(query), len(gallery)) == (sizes[0] - 1, sizes[1] - 1)
    assert manager.test_dataset[TARGET]["query"] == query.query == query.data
    assert sum(len(batch["pid"]) for batch in manager.test_loader[TARGET]["query"]) == len(query)

    assert train.train == before  # labels and samplers stay what they were
    assert train.data[first[0]] == before[first[1]]  # the next one
    assert train.data[first[-1]] == before[first[1]]  # round the end, and past the bad one
    domain = before[-1][3]
    for position in lost:  # nobody else has this identity
        assert train.data[position][3] == domain
        assert train.data[position][1] != before[position][1]
    for position in set(range(len(before))) - set(bad):
        assert train.data[position] == before[position]
    for index in range(len(train)):
        assert torch.isfinite(train[index]["img"]).all()
    skip_unreadable(manager)
    assert "=> 0 images cannot be read\n" in capsys.readouterr().out


def test_skip_keeps_identity_batches_valid(damaged_root, capsys):
    manager = manager_of(damaged_root, train_sampler="MultiDomainIdentitySampler", num_instances=4)
    read_safely(manager)
    data = manager.train_loader.dataset.data
    for pid in {item[1] for item in data}:
        damage(next(item[0] for item in data if item[1] == pid), "truncated")
    skip_unreadable(manager)
    assert f"=> {len({item[1] for item in data})} images cannot" in capsys.readouterr().out
    batches = list(manager.train_loader)
    assert batches
    for batch in batches:
        assert sorted(Counter(batch["pid"].tolist()).values()) == [4, 4]
        assert set(batch["dsetid"].tolist()) == {0, 1}


def test_nothing_left_is_said(damaged_root):
    for path in files(damaged_root, TARGET, "query"):
        damage(path, "empty")
    manager = manager_of(damaged_root)
    read_safely(manager)
    with pytest.raises(ValueError, match=f"no image can be read in query of {TARGET}"):
        skip_unreadable(manager)
    for path in files(damaged_root, SOURCES[0], "train"):
        damage(path, "empty")
    with pytest.raises(ValueError, match="a source has no readable training image, such as"):
        skip_unreadable(manager)


@pytest.fixture
def words(damaged_root, tmp_path):
    return [
        *(word for flag in flags(damaged_root) for word in ("--dataset", flag)),
        *("--config-file", CONFIG, "-s", *SOURCES, "-t", TARGET),
        *("data.height", "32", "data.width", "16"),
        *("train.batch_size", "16", "train.max_epoch", "1", "ddan.top_k", "2"),
        *("ddan.central_domain", SOURCES[0], "data.save_dir", str(tmp_path / "log")),
    ]


@pytest.mark.parametrize(("workers", "loss"), [("0", "ddan"), ("1", "ddan"), ("0", "softmax")])
def test_the_command_line_reports_one_line(workers, loss, damaged_root, words, capfd):
    """With torchreid's own engines, too."""
    path = files(damaged_root, SOURCES[1], "train")[5]
    damage(path, "truncated")
    assert main(["train", *words, "data.workers", workers, "loss.name", loss]) == 2
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"ddan-torchreid: error: {path} is no readable image: ")
    assert "Traceback" not in error


def test_skip_trains_and_evaluates_from_the_command_line(damaged_root, words, tmp_path, capsys):
    bad = [files(damaged_root, SOURCES[0], "train")[2], files(damaged_root, TARGET, "gallery")[4]]
    for path in bad:
        damage(path, "truncated")
    pairs = ["ddan.bad_images", "skip", "data.workers", "0"]
    assert main(["train", *words, *pairs]) == 0
    assert "2 images cannot be read" in capsys.readouterr().out
    (log,) = (tmp_path / "log").glob("train.log-*")
    for path in bad:
        assert log.read_text().count(f"{path} is no readable image") == 1
    weights = str(tmp_path / "log" / "model" / "model.pth.tar-1")
    assert main(["evaluate", *words, *pairs, "--weights", weights]) == 0
    # The training images are not read to evaluate.
    assert "1 images cannot be read" in capsys.readouterr().out
    assert main(["evaluate", *words, "data.workers", "0", "--weights", weights]) == 2
