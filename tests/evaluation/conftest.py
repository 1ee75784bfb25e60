"""A data manager on the four targets, and a model that counts its images."""

import pytest
import torch
import torchreid
from torch import nn
from torch.nn import functional as F

from tests import miniatures


class Counting(nn.Module):
    """Colours of parts of the image: features that do not depend on the rest of the batch."""

    def __init__(self):
        super().__init__()
        self.device = nn.Parameter(torch.zeros(1))
        self.images = 0

    def forward(self, images):
        assert not self.training
        self.images += len(images)
        return F.adaptive_avg_pool2d(images, (4, 1)).flatten(1)


@pytest.fixture
def model():
    return Counting()


def build_manager(root, targets, split_id=0):
    return torchreid.data.ImageDataManager(
        root=str(root),
        sources=["market1501"],
        targets=targets,
        height=32,
        width=16,
        batch_size_train=8,
        batch_size_test=100,
        workers=0,
        use_gpu=False,
        split_id=split_id,
    )


@pytest.fixture(scope="session")
def manager(real_root):
    return build_manager(real_root, list(miniatures.TARGETS))
