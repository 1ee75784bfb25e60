"""The recorded step on a GPU: other networks, other threads, and what cannot be recorded."""

import subprocess
import sys
import threading

import pytest
import torch

from ddan_torchreid.training.acceleration.cuda_graphs import RecordedStep
from tests.engines import first_batch, prepared

NETWORKS = ["mobilenetv2_in_bn_x0_35", "resnet50_ibn_a", "resnet50_fc512", "osnet_ain_x0_25"]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_kind_of_network_is_replayed_as_it_runs(small_engine, deterministic, network):
    found = []
    for graphs in ("off", "auto"):
        words = ("model.name", f"ddan_{network}", "ddan.cuda_graphs", graphs, "train.lr", "0.001")
        engine = prepared(small_engine(*words))
        batch = first_batch(engine)
        torch.manual_seed(0)
        summaries = [engine.forward_backward(batch) for _ in range(3)]
        assert (engine.runner.recorded is not None) == (graphs == "auto")
        found.append((summaries, engine.bare_model.state_dict(), engine.pool.state_dict()))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_another_thread_may_pin_memory_meanwhile(small_engine):
    """As that of a loader does; it would end a recording that forbids it, and the loader."""
    engine = prepared(small_engine())
    batch, errors, stop = first_batch(engine), [], threading.Event()

    def pin():
        kept = []
        try:
            while not stop.is_set() and len(kept) < 4000:
                kept.append(torch.empty(100_000 + 4096 * len(kept)).pin_memory())
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=pin)
    thread.start()
    for epoch in (4, 0) * 4:  # with the similarity term and without
        engine.epoch = epoch
        engine.forward_backward(batch)
    stop.set()
    thread.join()
    assert not errors


def test_a_moved_model_is_recorded_anew(small_engine, deterministic):
    found = []
    for moved in (False, True):
        engine = prepared(small_engine("ddan.dropout", "0.0"))
        batch = first_batch(engine)
        for _ in range(3):
            found.append(engine.forward_backward(batch))
            for parameter in engine.bare_model.parameters() if moved else ():
                parameter.data = parameter.data.clone()
    assert found[:3] == found[3:]


def test_what_cannot_be_recorded_ends_in_one_line():
    code = (
        "import torch; from ddan_torchreid.training.acceleration.cuda_graphs import RecordedStep\n"
        "layer = torch.nn.Linear(2, 2).cuda()\n"
        "step = RecordedStep(lambda x: layer(x).sum().item(), [layer], [], lambda: 0)\n"
        "try: step(torch.ones(1, 2, device='cuda'))\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith("the training step cannot be recorded (")
    assert line.endswith("write cuda_graphs 'off'")


def test_memory_of_a_recording_is_given_back(small_engine):
    engine = prepared(small_engine())
    batch = first_batch(engine)
    used = []
    for _ in range(4):
        for engine.epoch in (4, 0):
            engine.forward_backward(batch)
        torch.cuda.synchronize()
        used.append(torch.cuda.memory_allocated())
    assert isinstance(engine.runner.recorded, RecordedStep)
    assert max(used[1:]) - min(used[1:]) < 1e6
