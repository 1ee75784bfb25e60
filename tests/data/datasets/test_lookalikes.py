"""People of different drawn domains who look alike by construction."""

from __future__ import annotations

import numpy as np
import pytest

from ddan_torchreid.data.rendered import DOMAINS, SOURCES, draw_image, look_of, lookalikes


def test_lookalikes_have_nearly_the_same_look() -> None:
    for a in SOURCES:
        for b in SOURCES:
            if a == b:
                continue
            pairs = lookalikes(a, b)
            assert len(pairs) >= 6
            for first, second in pairs:
                one, two = look_of(a, first), look_of(b, second)
                assert one != two
                assert np.abs(np.subtract(one.colours(), two.colours())).max() <= 14
                assert (one.pattern, one.bag, one.hat, one.hair_style, one.lower_kind) == (
                    two.pattern, two.bag, two.hat, two.hair_style, two.lower_kind,
                )  # fmt: skip
    assert lookalikes(SOURCES[0], SOURCES[1], 8) == [
        pair for pair in lookalikes(SOURCES[0], SOURCES[1]) if pair[0] < 8
    ]
    with pytest.raises(ValueError, match="two different domains"):
        lookalikes("rendered_mall", "rendered_mall")


def test_groups_of_lookalikes_span_several_sources() -> None:
    members: dict[int, set[str]] = {}
    for a in SOURCES:
        for b in SOURCES:
            for identity, _ in lookalikes(a, b) if a != b else []:
                members.setdefault(identity, set()).update((a, b))
    assert len(members) >= 10
    assert all(len(domains) >= 3 for domains in members.values())


def _clothes(domain: str, identity: int) -> np.ndarray:
    """Grey-world colours of the middle of the body, averaged over images. (6, 2, 3)."""
    parts = []
    for camera in range(DOMAINS[domain].cameras):
        for index in range(3):
            image = draw_image(domain, identity, camera, index).astype(np.float64)
            image /= image.mean((0, 1))
            parts.append(image[24:112, 20:44].reshape(4, 22, 2, 12, 3).mean((1, 3)))
    return np.mean(parts, 0)


def test_lookalikes_look_alike() -> None:
    alike, random = [], []
    rng = np.random.default_rng(0)
    for a, b in (("rendered_plaza", "rendered_campus"), ("rendered_mall", "rendered_station")):
        pairs = lookalikes(a, b)
        strangers = rng.permutation([second for _, second in pairs])
        for (first, second), stranger in zip(pairs, strangers, strict=True):
            alike.append(np.abs(_clothes(a, first) - _clothes(b, second)).mean())
            if stranger != second:
                random.append(np.abs(_clothes(a, first) - _clothes(b, int(stranger))).mean())
    assert np.median(alike) < 0.75 * np.median(random)
    assert np.mean(np.less.outer(alike, random)) > 0.8
