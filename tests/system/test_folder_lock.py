"""The lock of an output folder: who gets it, who is refused, and what stays behind."""

import contextlib
import os
import socket
import threading
from unittest.mock import Mock

import pytest

from ddan_torchreid.integration import builder
from ddan_torchreid.system import folder_lock
from ddan_torchreid.system.folder_lock import HOLDER, LOCK, holds, locked
from tests.distributed.launch import run
from tests.other_run import OtherRun


@pytest.fixture
def other(tmp_path):
    other = OtherRun(tmp_path / "log")
    yield other
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # it has ended
        other.kill()


def test_a_second_run_is_refused_with_the_process_of_the_first(other, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "log")
    for name in ("log", "link", "log/../log"):
        with pytest.raises(ValueError, match=rf"in use by another run, process {other.pid};"):
            locked(tmp_path / name).__enter__()
    assert not holds(tmp_path / "log")
    other.end()
    with locked(tmp_path / "log"):
        assert holds(tmp_path / "link")


def test_a_machine_that_is_not_this_one_is_named(other, tmp_path):
    (tmp_path / "log" / HOLDER).write_text("12 elsewhere")
    with pytest.raises(ValueError, match="process 12 on elsewhere;"):
        locked(tmp_path / "log").__enter__()
    (tmp_path / "log" / HOLDER).unlink()
    with pytest.raises(ValueError, match="which has just begun"):
        locked(tmp_path / "log").__enter__()


def test_the_lock_of_a_killed_process_is_no_obstacle(other, tmp_path):
    other.kill()
    assert (tmp_path / "log" / HOLDER).exists()
    with locked(tmp_path / "log"):
        assert holds(tmp_path / "log")


def test_workers_that_outlive_a_killed_process_are_waited_for(other, tmp_path, monkeypatch):
    """Where they inherit the lock: here a living process that says it is a dead one."""
    gone = OtherRun(tmp_path / "another")
    gone.end()
    (tmp_path / "log" / HOLDER).write_text(f"{gone.pid} {socket.gethostname()}")
    monkeypatch.setattr(folder_lock, "WORKERS_END", 0.2)
    with pytest.raises(ValueError, match="in use"):
        locked(tmp_path / "log").__enter__()
    monkeypatch.setattr(folder_lock, "WORKERS_END", 30)
    ending = threading.Timer(0.3, other.end)
    ending.start()
    with locked(tmp_path / "log"):
        assert holds(tmp_path / "log")
    ending.join()


def test_a_block_within_a_block_holds_and_the_outer_one_lets_go(tmp_path):
    folder = tmp_path / "a" / "log"
    with locked(folder):
        with locked(folder):
            pass
        assert holds(folder)
        (folder / "train.log").touch()
    assert not holds(folder)
    assert os.listdir(folder) == ["train.log"]


def test_a_forked_child_neither_holds_nor_lets_go(tmp_path):
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            try:
                assert not holds(tmp_path)
                with pytest.raises(ValueError, match=f"process {os.getppid()};"):
                    locked(tmp_path).__enter__()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert (tmp_path / LOCK).exists()


def test_a_folder_that_nothing_came_into_is_gone(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a" / "log"):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, capsys):
    refuse = Mock(side_effect=OSError(folder_lock.errno.ENOLCK, "No locks available"))
    monkeypatch.setattr(folder_lock.FileLock, "acquire", refuse)
    with locked(tmp_path):
        assert "cannot be locked" in capsys.readouterr().err


def _in_a_group(folder):
    with locked(folder):
        return holds(folder)


def _refused_in_a_group(folder):
    with pytest.raises(ValueError, match="in use by another run") as error:
        locked(folder).__enter__()
    return str(error.value)


def test_the_processes_of_a_run_hold_together_or_are_refused_together(tmp_path):
    assert run(2, _in_a_group, tmp_path) == [True, False]
    with locked(tmp_path):
        first, second = run(2, _refused_in_a_group, tmp_path)
    assert first == second


def test_no_two_runs_share_a_log(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr(builder.time, "strftime", lambda *_: "now")
    config = small_config()
    with builder.log_file(config), builder.log_file(config):
        print("both")
    one, two = sorted((tmp_path / "log").iterdir())
    assert [one.name, two.name] == ["train.log-now", "train.log-now-2"]
    for log in (one, two):
        assert log.read_text().startswith("Configuration, where it is not the default\n")
        assert log.read_text().endswith("both\n")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    # As on a read-only file system, where the superuser may not write either.
    monkeypatch.setattr(os, "access", lambda *_: False)
    says = r"data\.save_dir .* cannot be written to; write another one"
    with pytest.raises(ValueError, match=says), locked(tmp_path):
        pass
    with pytest.raises(ValueError, match=says):
        folder_lock.make_folder(tmp_path)
    assert not list(tmp_path.iterdir())
