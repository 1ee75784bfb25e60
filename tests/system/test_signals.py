"""Signals that ask a run to stop, and random state that a checkpoint holds."""

import os
import random
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ddan_torchreid.data.loader import with_sampler
from ddan_torchreid.system import random_state, state_files
from ddan_torchreid.system.signals import EXIT_STATUS, StopSignals, WorkerSignals


@pytest.fixture(autouse=True)
def handlers():
    """Puts back whatever a test has changed."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_first_signal_is_noted(number, status, handlers, capfd):
    with StopSignals() as signals:
        assert signals.received is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)  # schedulers repeat it
        assert signals.received is number
        assert EXIT_STATUS[signals.asked()] == status
    assert capfd.readouterr().err == f"\n{number.name}: finishing this step, to save\n"
    assert {each: signal.getsignal(each) for each in handlers} == handlers


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_after_a_signal_stops_at_once(first, handlers):
    def send_both():
        with StopSignals():
            os.kill(os.getpid(), first)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        send_both()
    assert {each: signal.getsignal(each) for each in handlers} == handlers


def test_what_the_process_ignores_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received is None


def test_other_threads_install_nothing(handlers):
    seen = []

    def enter():
        with StopSignals():
            seen.extend(signal.getsignal(number) for number in handlers)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == list(handlers.values())


def test_a_worker_leaves_the_first_signal_to_the_main_process():
    called = []
    WorkerSignals(called.append)(3)
    assert called == [3]
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # the second one ends it


class Late(WorkerSignals):
    """A signal to the process group comes before the worker has its handlers."""

    def __call__(self, worker):
        os.kill(os.getpid(), signal.SIGTERM)
        super().__call__(worker)


def test_a_worker_that_is_being_started_leaves_it_too():
    loader = DataLoader(range(8), num_workers=2, worker_init_fn=Late())
    batches = list(with_sampler(loader, range(8)))
    assert torch.cat(batches).tolist() == [*range(8)]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_random_state_goes_through_a_file(tmp_path):
    random.gauss(0, 1), np.random.normal()  # both keep a second value
    state_files.write({"random": random_state.capture()}, tmp_path / "state")
    expected = torch.rand(3).tolist(), random.gauss(0, 1), np.random.normal(size=3).tolist()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    random_state.restore(state_files.read(tmp_path / "state")["random"])
    assert (
        torch.rand(3).tolist(), random.gauss(0, 1), np.random.normal(size=3).tolist()
    ) == expected  # fmt: skip


FAILING = """
from torch.utils.data import DataLoader, Dataset
from ddan_torchreid.data.loader import with_sampler

class Images(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            raise ValueError("no readable image")
        return index

loader = with_sampler(DataLoader(Images(), batch_size=1, num_workers=2), range(8))
try:
    for batch in loader:
        print(batch.item())
except ValueError as error:
    kept = error  # as Python keeps what it prints
print("the end", len(loader))
"""


def test_workers_do_not_outlive_a_loader_that_fails():
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n") == ["0", "1", "2", "3", "4", "the end 8", ""]
    assert done.returncode == 0
