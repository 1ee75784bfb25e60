"""Scales: which targets each has, and that its changes fit the configuration."""

from __future__ import annotations

import pytest

from ddan_torchreid.config import schema as configuration
from ddan_torchreid.data import rendered
from ddan_torchreid.experiments import scales
from ddan_torchreid.experiments.scales import SCALES, draw


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


def test_several_processes_draw_what_one_draws(tmp_path, monkeypatch):
    names = [rendered.SOURCES[0], rendered.TARGETS[0], rendered.TARGETS[1]]
    drawn = {}
    for jobs in (1, 2):
        draw(SCALES["tiny"], names, tmp_path / str(jobs), jobs)
        files = sorted((tmp_path / str(jobs)).rglob("*.*"))
        drawn[jobs] = {file.relative_to(tmp_path / str(jobs)): file.read_bytes() for file in files}
    assert drawn[2] == drawn[1]
    assert {path.parts[1] for path in drawn[1]} == set(names)
    monkeypatch.setattr(scales, "ProcessPoolExecutor", None)  # there is nothing to start one for
    draw(SCALES["tiny"], names, tmp_path / "2", 2)
    with pytest.raises(FileExistsError, match="drawn with"):
        draw(SCALES["small"], names, tmp_path / "2", 2)
