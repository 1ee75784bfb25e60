"""CUDA graphs as an option, without a GPU: what is recorded when, and what is refused.

tests/gpu records and replays real ones.
"""

import warnings

import pytest
import torch
from torch import nn

from ddan_torchreid import DDANSettings
from ddan_torchreid.cuda_graphs import RecordedPass
from ddan_torchreid.encoder_pass import speed_up
from ddan_torchreid.models import FACTORIES


@pytest.fixture
def recorded(monkeypatch):
    """Inputs of recordings; each warms up with three passes, as PyTorch's do, and is no graph."""
    inputs = []

    def record(body, arguments):
        assert not torch.is_autocast_enabled("cpu")
        inputs.append(arguments)
        for _ in range(3):
            body(*arguments)
        return body

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: "before")
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: inputs.append(state))
    return inputs


def small_model():
    torch.manual_seed(0)
    return FACTORIES["ddan_mobilenetv2_x0_35"](4, loss="ddan", pretrained=False)


def test_a_recording_leaves_no_trace(recorded):
    model, same = small_model(), small_model()
    model.train()
    same.train()
    recorded_pass = RecordedPass(model, model.encoder.forward, torch.device("cuda"))
    images = torch.randn(4, 3, 32, 16)
    for _ in range(2):
        assert torch.equal(recorded_pass(images), same.encoder(images))
    assert recorded[1] == "before"
    buffers = zip(model.encoder.buffers(), same.encoder.buffers(), strict=True)
    assert all(torch.equal(*each) for each in buffers)
    assert len(recorded) == 2  # one recording: its images and the random state
    recorded_pass(images[:2])
    next(model.encoder.parameters()).requires_grad_(False)
    recorded_pass(images[:2])
    assert [len(each[0]) for each in recorded[::2]] == [4, 2, 2]
    model.encoder.requires_grad_(False)
    recorded_pass(images)
    assert len(recorded) == 6


def test_a_recording_is_in_the_models_precision(recorded):
    model, same = small_model(), small_model()
    images = torch.randn(4, 3, 64, 32)
    outputs = []
    for each in (model, same):
        each.autocast_dtype = torch.bfloat16
        each.dropout.p = 0.0
        each.train()
        if each is model:
            speed_up(each, DDANSettings(cuda_graphs=True), torch.device("cuda"))
        outputs.append(each(images))
    assert recorded
    assert all(torch.equal(*pair) for pair in zip(*outputs, strict=True))


def test_tests_are_not_replayed(recorded, monkeypatch):
    # Where there is a GPU, device 'cuda' is checked by name only.
    model = small_model()
    keys = list(model.state_dict())
    settings = DDANSettings(cuda_graphs=True)
    speed_up(model, settings, torch.device("cuda"))
    assert list(model.state_dict()) == keys
    images = torch.randn(4, 3, 32, 16)
    model.eval()
    model(images)
    model.train()
    with torch.no_grad():
        model(images)
    assert not recorded
    model(images)
    assert len(recorded) == 2


def test_what_pytorch_says_of_its_own_recordings_is_not_shown():
    text = "The AccumulateGrad node's stream does not match the stream of the node that produced"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(text, stacklevel=1)
        RecordedPass(small_model(), lambda images: images, torch.device("cuda"))
        warnings.warn(text, stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(each.message) for each in caught] == [text, "something else"]


@pytest.mark.parametrize("option", ["compile", "cuda_graphs"])
def test_what_is_refused(option):
    class OnTwoGPUs(nn.DataParallel):
        def __init__(self, module):
            super().__init__(module)
            self.device_ids = [0, 1]

    with pytest.raises(ValueError, match=f"{option} True needs a process for each GPU; .*torchrun"):
        speed_up(OnTwoGPUs(small_model()), DDANSettings(**{option: True}), torch.device("cuda"))
    with pytest.raises(ValueError, match="needs a GPU; write cuda_graphs False"):
        speed_up(small_model(), DDANSettings(cuda_graphs=True), torch.device("cpu"))
    with pytest.raises(ValueError, match="accumulate_steps=2 and cuda_graphs True exclude"):
        DDANSettings(cuda_graphs=True, accumulate_steps=2)
