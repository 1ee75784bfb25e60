"""Where the ID pool is kept."""

import pytest
import torch

from ddan_torchreid.config.settings import DDANSettings
from ddan_torchreid.method.objective import DDANObjective


@pytest.mark.parametrize(("choice", "expected"), [("model", "meta"), ("cpu", "cpu")])
def test_the_pool_is_on_the_chosen_device(choice, expected):
    # The meta device stands for a GPU; "auto" looks at no value of the pool.
    settings = DDANSettings(central_domain="auto", pool_device=choice)
    domains = torch.arange(30).numpy() % 3
    objective = DDANObjective(settings, ["a", "b", "c"], domains, 6, torch.device("meta"))
    assert objective.pool.representations.device.type == expected
    assert next(objective.discriminator.parameters()).device.type == "meta"


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="pool_device='gpu' is unknown; write one of model, cpu$"):
        DDANSettings(pool_device="gpu")


def test_a_part_for_each_process_is_on_its_device():
    with pytest.raises(ValueError, match="exclude each other"):
        DDANSettings(pool_sharding=True, pool_device="cpu")
