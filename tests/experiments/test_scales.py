"""Scales: which targets each has, and that its changes fit the configuration."""

from __future__ import annotations

import pytest

from ddan_torchreid import config as configuration
from ddan_torchreid.data import rendered
from ddan_torchreid.experiments.scales import SCALES


def test_the_larger_scales_have_more_targets():
    targets = {name: scale.changes.get("data.targets") for name, scale in SCALES.items()}
    both = [*rendered.TARGETS, *rendered.MORE_TARGETS]
    assert targets == {"tiny": None, "small": None, "medium": both, "large": both}


@pytest.mark.parametrize("name", SCALES)
def test_changes_name_keys_and_keep_their_types(name):
    for key, value in SCALES[name].changes.items():
        default = configuration.get_default_config()
        for part in key.split("."):
            default = default[part]
        assert type(value) is type(default), key
