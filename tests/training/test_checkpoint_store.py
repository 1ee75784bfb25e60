"""Sets of files: which one is the newest complete one, which stay, and what a failure leaves."""

import contextlib
import errno
import os
from unittest.mock import Mock

import pytest

from ddan_torchreid.system import files, state_files
from ddan_torchreid.system.folder_lock import locked
from ddan_torchreid.training import checkpoint_store
from ddan_torchreid.training.checkpoint_store import BEST, Keeper, Position, find, newest, read_set

PARTS = ["model", "discriminator", "identity_pool"]
START = Position(0)


def write_set(keeper, position, mean_ap=None, content=0):
    """What `checkpoint.save` does, with states of a few bytes."""
    for name, path in keeper.paths(PARTS, position).items():
        state = {"epoch": position.epoch, "batch": position.batch, "run": keeper.run}
        state["content"] = content
        if name == "model":
            state["ddan"] = {"parts": PARTS}
            if mean_ap is not None:
                state["ddan"]["mean_ap"] = mean_ap
        state_files.write(state, path)
    keeper.written(position, PARTS, mean_ap)


def left(folder, part="model"):
    return sorted(path.name.removeprefix("model.pth.tar-") for path in (folder / part).iterdir())


@pytest.mark.parametrize(
    ("keep", "expected"), [(1, ["5"]), (3, ["3", "4", "5"]), (0, ["1", "2", "3", "4", "5"])]
)
def test_the_last_stay(tmp_path, keep, expected):
    keeper = Keeper(tmp_path, 7, START, keep)
    for epoch in range(5):
        write_set(keeper, Position(epoch, 2))
        assert f"{epoch}+2" in left(tmp_path)
        write_set(keeper, Position(epoch + 1))
        assert not any("+" in name for name in left(tmp_path))
    assert all(left(tmp_path, part) == expected for part in PARTS)


def test_scores_make_a_checkpoint_stay_and_the_best_is_copied(tmp_path):
    keeper = Keeper(tmp_path, 7, START, 1)
    for epoch, mean_ap in enumerate([None, 0.5, None, 0.4, None, None], start=1):
        write_set(keeper, Position(epoch), mean_ap)
    for part in PARTS:
        assert left(tmp_path, part) == ["2", "4", "6", BEST]
    assert read_set(tmp_path / "model" / BEST)["discriminator"]["epoch"] == 2
    # Another process knows what stays and what the best was.
    again = Keeper(tmp_path, 7, Position(6), 1)
    write_set(again, Position(7), 0.45)
    write_set(again, Position(8))
    assert left(tmp_path) == ["2", "4", "7", "8", BEST]
    assert again.best == 0.5


def test_the_newest_is_the_farthest_of_the_last_run(tmp_path):
    assert newest(tmp_path) is None
    assert find("auto", tmp_path) == ""
    write_set(Keeper(tmp_path, 7, START, 0), Position(60))
    keeper = Keeper(tmp_path, 8, START, 0)
    for position in (Position(9), Position(9, 5), Position(10)):
        write_set(keeper, position)
        path = tmp_path / "model" / position.file_name
        assert newest(tmp_path) == path
        assert find("auto", tmp_path) == find(str(tmp_path), "elsewhere") == str(path)
    # Files of torchreid's own engines count too, before all others.
    state_files.write({"state_dict": {}, "epoch": 70}, tmp_path / "model" / "model.pth.tar-70")
    assert newest(tmp_path) == path
    assert find("a/file", tmp_path) == "a/file"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no complete checkpoint in the folder '.*empty'"):
        find(str(tmp_path / "empty"), tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "missing", "another run"])
def test_an_incomplete_set_is_passed_over(tmp_path, damage, capsys):
    keeper = Keeper(tmp_path, 7, START, 0)
    write_set(keeper, Position(1))
    write_set(keeper, Position(2))
    path = tmp_path / "identity_pool" / "model.pth.tar-2"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "missing":
        path.unlink()
    else:
        state_files.write(state_files.read(path) | {"run": 6}, path)
    assert newest(tmp_path) == tmp_path / "model" / "model.pth.tar-1"
    assert "Passed over: " in capsys.readouterr().out
    with pytest.raises((ValueError, FileNotFoundError), match="identity_pool/model.pth.tar-2"):
        read_set(tmp_path / "model" / "model.pth.tar-2")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EIO, "Input/output error"),
        # What torch makes of it when it maps the file into memory.
        RuntimeError("unable to open file </x> in read-only mode: Too many open files (24)"),
        RuntimeError("unable to mmap 4096 bytes from file </x>: Cannot allocate memory (12)"),
        MemoryError(),
    ],
)
def test_what_cannot_be_read_now_is_not_passed_over_as_damaged(tmp_path, monkeypatch, error):
    write_set(Keeper(tmp_path, 7, START, 0), Position(1))
    monkeypatch.setattr(state_files.torch, "load", Mock(side_effect=error))
    for search in (lambda: newest(tmp_path), lambda: Keeper(tmp_path, 7, Position(1), 0)):
        with pytest.raises(MemoryError if isinstance(error, MemoryError) else OSError) as raised:
            search()
        assert not isinstance(raised.value, FileNotFoundError)
        if not isinstance(error, MemoryError):
            assert "model.pth.tar-1 cannot be read: " in str(raised.value)
            assert "\n" not in str(raised.value)
    if "(24)" in str(error):
        assert raised.value.errno == errno.EMFILE


def test_a_file_that_has_gone_in_between_is_none(tmp_path, monkeypatch):
    write_set(Keeper(tmp_path, 7, START, 0), Position(1))
    error = RuntimeError("unable to open file </x> in read-only mode: No such file (2)")
    monkeypatch.setattr(state_files.torch, "load", Mock(side_effect=error))
    assert newest(tmp_path) is None


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path, monkeypatch):
    write_set(Keeper(tmp_path, 7, START, 0), Position(1))
    fail = Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
    monkeypatch.setattr(os, "listdir", fail)
    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(PermissionError):
        newest(tmp_path)


def test_going_back_to_an_earlier_epoch_begins_another_run(tmp_path):
    first = Keeper(tmp_path, 7, START, 2)
    for epoch in (1, 2, 3):
        write_set(first, Position(epoch))
    back = Keeper(tmp_path, 7, Position(2), 2)
    assert back.run != 7
    write_set(back, Position(2, 1))
    assert newest(tmp_path).name == "model.pth.tar-2+1"
    # The other branch's files are not deleted, as they are not this run's.
    assert left(tmp_path) == ["2", "2+1", "3"]


def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path):
    keeper = Keeper(tmp_path, 7, START, 2)
    write_set(keeper, Position(1), 0.5)
    for name in (".model.pth.123.tar-2", ".model.pth.123.tar-2+9", ".model-best.pth.123.tar"):
        (tmp_path / "model" / name).touch()
    Keeper(tmp_path, 7, Position(1), 2)
    assert len(left(tmp_path)) == 5
    with locked(tmp_path):
        Keeper(tmp_path, 7, Position(1), 2)
    assert left(tmp_path) == ["1", BEST]


class Failure:
    """Lets the n-th operation on files fail, as a full or broken disk would."""

    def __init__(self, monkeypatch, at):
        self.count, self.at = 0, at
        for module, name in (
            (files.os, "fsync"),
            (files.Path, "replace"),
            (files.Path, "touch"),
            (files.Path, "open"),
            (files.Path, "mkdir"),
            (state_files._RememberingFile, "write"),
            (checkpoint_store.shutil, "copyfile"),
        ):
            monkeypatch.setattr(module, name, self.wrap(getattr(module, name)))

    def wrap(self, original):
        def operation(*arguments, **keywords):
            self.count += 1
            if self.count == self.at:
                file = getattr(arguments[0], "_file", None)
                if file is not None:  # half of what was to be written is on the disk
                    data = bytes(arguments[1])
                    file.write(data[: len(data) // 2])
                    arguments[0].error = OSError(errno.ENOSPC, "No space left on device")
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments, **keywords)

        return operation


def test_whatever_fails_in_writing_the_set_before_it_is_whole(tmp_path, monkeypatch):
    at, outcomes = 0, set()
    while True:
        at += 1
        folder = tmp_path / str(at)
        keeper = Keeper(folder, 7, START, 1)
        write_set(keeper, Position(1), content=1)
        with monkeypatch.context() as patch:
            failure = Failure(patch, at)
            with contextlib.suppress(OSError):
                write_set(keeper, Position(2), mean_ap=0.5, content=2)
        if failure.count < at:
            break
        found = newest(folder)
        epoch = int(found.name[-1])
        outcomes.add(epoch)
        assert [each["content"] for each in read_set(found).values()] == [epoch] * 3
        assert list(folder.rglob(".*")) == []
    # Twelve files' worth of operations or more, before and after the set was whole.
    assert at > 60
    assert outcomes == {1, 2}


def test_the_reason_for_a_failed_write_is_said_in_one_line(tmp_path, monkeypatch):
    Failure(monkeypatch, 9)
    with pytest.raises(OSError, match="cannot be written: No space left on device") as error:
        state_files.write({"a": list(range(1000))}, tmp_path / "model" / "model.pth.tar-1")
    assert error.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path / "model") == []
