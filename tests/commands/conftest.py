"""Weights of small networks."""

import pytest
import torch
import torchreid

from tests.inference.exported import checkpoint


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """As the engine saves them."""
    return checkpoint(tmp_path_factory.mktemp("weights") / "model.pth.tar-1")


@pytest.fixture(scope="session")
def bare_weights(tmp_path_factory):
    """Nothing says which model they are of."""
    torch.manual_seed(0)
    model = torchreid.models.build_model("ddan_mobilenetv2_x0_35", 8, loss="ddan", pretrained=False)
    path = tmp_path_factory.mktemp("weights") / "model.pth.tar-1"
    torch.save({"state_dict": model.state_dict()}, path)
    return path
