"""Where the ID pool is kept, and what one step with it asks of the device."""

import pytest
import torch
from benchmarks.operators import OperatorCounter
from torch._subclasses.fake_tensor import FakeTensorMode

from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.method.identity_pool import IdentityPool
from ddan_torchreid.method.losses import similarity_enhancement_loss
from ddan_torchreid.method.objective import DDANObjective


@pytest.mark.parametrize("size", [4, 64])
@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 60), (torch.float16, 62)])
@pytest.mark.parametrize(("log", "more"), [("exact", 0), ("released", 2)])
def test_a_step_takes_few_operators_and_never_waits_for_the_device(
    size, exclude, dtype, most, log, more
):
    domains = torch.arange(30) % 3
    pool = IdentityPool(domains, 6, 2, exclude_own_identity=exclude)
    pool.update(torch.randn(30, 6), torch.arange(30))
    features = torch.randn(size, 6).to(dtype).requires_grad_()
    pids = torch.arange(size) // 4
    own_domains = domains[pids]
    with OperatorCounter() as counter:
        indices, valid = pool.nearest(features, own_domains, 3, pids)
        neighbours = pool.rows(indices)
        loss = similarity_enhancement_loss(features, neighbours, 0.1, valid=valid, log=log)
        pool.update(features, pids)
    assert loss > 0
    assert len(counter.names) <= most + more
    assert counter.waits == []


@pytest.mark.parametrize(("home", "images"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_pool_on_another_device_than_the_images(home, images):
    # Tensors without values, which have a device that need not exist.
    pool = IdentityPool(torch.arange(30) % 3, 6, 2)
    with FakeTensorMode() as fake:
        for module in pool.modules():
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, fake.from_tensor(buffer).to(home))
        features = torch.empty(4, 6, device=images)
        pids = torch.empty(4, dtype=torch.int64, device=images)
        indices, valid = pool.nearest(features, pids, 3, pids)
        neighbours = pool.rows(indices)
        pool.update(features, pids)
    for result in (indices, valid, neighbours):
        assert result.device.type == images
    assert neighbours.shape == (4, 3, 6)
    assert all(buffer.device.type == home for buffer in pool.buffers())


@pytest.mark.parametrize(("choice", "expected"), [("model", "meta"), ("cpu", "cpu")])
def test_the_pool_is_on_the_chosen_device(choice, expected):
    # The meta device stands for a GPU; "auto" looks at no value of the pool.
    settings = DDANSettings(central_domain="auto", pool_device=choice)
    domains = torch.arange(30).numpy() % 3
    objective = DDANObjective(settings, ["a", "b", "c"], domains, 6, torch.device("meta"))
    assert objective.pool.representations.device.type == expected
    assert next(objective.discriminator.parameters()).device.type == "meta"
