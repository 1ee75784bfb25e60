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
