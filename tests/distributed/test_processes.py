"""How processes find each other, and how all end when one does."""

import multiprocessing
import os
import signal
import sys
import time
import warnings

import pytest
import torch
import torch.distributed as dist

from ddan_torchreid import distributed
from ddan_torchreid.distributed import processes

SECONDS = 120


def start(function, count, folder):
    """Runs a function in processes with torchrun's environment; its outputs and exit statuses.

    Like torchrun's agent, this process keeps the store and stays alive.
    """
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(count),
    }
    context = multiprocessing.get_context("fork")
    running = []
    for rank in range(count):
        place = {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        running.append(context.Process(target=_process, args=(function, place, folder)))
        running[-1].start()
    begin = time.monotonic()
    for process in running:
        process.join(SECONDS)
    assert time.monotonic() - begin < SECONDS, "a process waited for one that was gone"
    statuses = [process.exitcode for process in running]
    return [(folder / str(rank)).read_text() for rank in range(count)], statuses


def _process(function, environment, folder):
    os.environ.update(environment)
    with (folder / environment["RANK"]).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
        status = 0
        try:
            with distributed.process_group():
                function()
        except (ValueError, OSError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = 2
        except SystemExit as error:
            status = error.code
        sys.stdout.flush()
    os._exit(status)


def greet():
    print(f"hello from {distributed.rank()} of {distributed.size()}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("a warning", stacklevel=1)
    os.write(2, f"{len(caught)} warnings\n".encode())
    assert distributed.largest(distributed.rank()) == 1
    assert distributed.device(use_gpu=False) == torch.device("cpu")


def test_only_the_first_process_prints(tmp_path):
    (first, second), statuses = start(greet, 2, tmp_path)
    assert sorted(first.splitlines()) == ["1 warnings", "hello from 0 of 2"]
    assert second == "0 warnings\n"
    assert statuses == [0, 0]


def all_reject():
    raise ValueError("train.lr is wrong")


def one_rejects():
    if distributed.rank() == 1:
        raise ValueError("train.lr is wrong")
    distributed.largest(1)


@pytest.mark.parametrize("reject", [all_reject, one_rejects])
def test_what_one_or_all_reject_ends_all_and_is_reported_once(tmp_path, reject):
    outputs, statuses = start(reject, 3, tmp_path)
    assert sorted(outputs) == ["", "", "ValueError: train.lr is wrong\n"]
    assert sorted(statuses) == [1, 1, 2]
    assert statuses[1] == 2 or reject is all_reject


def one_is_killed():
    if distributed.rank() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.mean(torch.ones(3))


def test_a_process_that_is_killed_ends_all_with_one_message(tmp_path):
    (killed, *others), (killed_status, *statuses) = start(one_is_killed, 3, tmp_path)
    assert killed == ""
    assert killed_status == -signal.SIGKILL
    assert sorted(others) == [
        "",
        "ConnectionError: another process of this run ended or does not answer, so this one "
        "stopped; training goes on from the last checkpoint with --resume\n",
    ]
    assert sorted(statuses) == [1, 2]


def note_order():
    with distributed.in_turn():
        if distributed.is_first():
            time.sleep(0.3)
        with open(os.environ["ORDER"], "a") as file:
            file.write(str(distributed.rank()))


def test_the_first_process_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDER", str(tmp_path / "order"))
    _, statuses = start(note_order, 3, tmp_path)
    assert statuses == [0, 0, 0]
    order = (tmp_path / "order").read_text()
    assert order[0] == "0"
    assert sorted(order) == ["0", "1", "2"]


def test_a_process_alone_needs_no_group_and_one_of_two_an_address(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with distributed.process_group():
        assert not distributed.active()
    monkeypatch.setenv("WORLD_SIZE", "2")
    says = r"^the processes cannot be joined: .*MASTER_ADDR.*torchrun --nproc-per-node.*$"
    with pytest.raises(ValueError, match=says), distributed.process_group():
        pass


def test_errors_before_the_group_are_reported_by_the_first_process(monkeypatch):
    assert processes.may_report()
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert processes.may_report() == expected


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(processes, "active", lambda: True)
    monkeypatch.setattr(processes, "rank", lambda: 2)
    with pytest.raises(ValueError, match="write --nproc-per-node 2 or less"):
        distributed.device(use_gpu=True)
    assert distributed.device(use_gpu=False).type == "cpu"
