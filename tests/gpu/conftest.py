"""What PyTorch is to do on a GPU in these tests."""

import os

# Read before it first talks to a GPU. Its matrix products give the same bits twice only with a
# workspace of a fixed size.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest
import torch


@pytest.fixture(autouse=True)
def few_algorithms(monkeypatch):
    """cuDNN tries one algorithm for each convolution: on small images the trials take longest."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark_limit", 1)


@pytest.fixture
def deterministic():
    """PyTorch's own switch, which some of its kernels need to give the same bits twice."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def full_precision(monkeypatch):
    """Convolutions in float32 proper; PyTorch computes them in TF32 otherwise."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
