"""Checkpoints of small networks, and what an exported one computes."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddan_torchreid.models import BACKBONES, FACTORIES, DDANModel

HEIGHT, WIDTH = 64, 32


def noise(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def blurred(count: int) -> Tensor:
    """Images that look different, which noise does not to a network that pools."""
    small = torch.randn(count, 3, 4, 2, generator=torch.Generator().manual_seed(9))
    return 2 * F.interpolate(small, (HEIGHT, WIDTH), mode="bicubic")


def told_apart(model: DDANModel) -> DDANModel:
    """With a neck that makes the features of two images differ, as training does."""
    model.eval().neck.train().momentum = None
    with torch.no_grad():
        model(torch.cat([blurred(8), noise(8)]))
        # All by the same factor: a feature that hardly varies is mostly rounding errors.
        model.neck.weight.fill_(model.neck.running_var.mean().rsqrt())
        model.neck.running_var.fill_(1.0)
    return model.eval()


def checkpoint(path, name="ddan_mobilenetv2_in_bn_x0_35", **metadata):
    """Weights of a small network as the engine saves them."""
    torch.manual_seed(0)
    model = told_apart((FACTORIES | BACKBONES)[name](num_classes=3, loss="ddan", pretrained=False))
    metadata = {"model": name, "height": HEIGHT, "width": WIDTH} | metadata
    torch.save({"state_dict": model.state_dict(), "epoch": 1, "ddan": metadata}, path)
    return path


def onnx_features(path, images: Tensor) -> Tensor:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(["features"], {"images": images.numpy()})
    return torch.from_numpy(output)


def assert_same_as_pytorch(features, path, model: nn.Module, tolerance: float = 1e-4):
    for count in (1, 2, 5):
        images = blurred(5)[:count]
        with torch.no_grad():
            expected = model(images)
        found = features(path, images)
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    # Otherwise a constant would do.
    assert (expected[:1] - expected[1:]).abs().max() > 2 * tolerance
