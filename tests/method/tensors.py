"""Random tensors for the tests of this folder, and how near a loss must be to its reference."""

import pytest
import torch

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64).to(dtype)


def labels(size, classes, seed=0):
    return torch.randint(classes, (size,), generator=seeded(seed))


def assert_scalar(value, expected, dtype):
    """The references get the rounded input, so half precision owes float32 accuracy."""
    double = dtype == torch.float64
    assert value.dtype == (torch.float64 if double else torch.float32)
    assert value.shape == ()
    tolerance = 1e-10 if double else 1e-4
    assert value.item() == pytest.approx(expected, rel=tolerance, abs=tolerance)
