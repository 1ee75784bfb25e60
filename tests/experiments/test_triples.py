"""Table 4's triples against loops over all images."""

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.data import rendered
from ddan_torchreid.experiments.samples import Sample
from ddan_torchreid.experiments.triples import find_triples

NAMES = ["rendered_plaza", "rendered_campus", "rendered_film"]


def sample(folder, seed, names=NAMES, pattern="{pid:05d}_c{camera}_{index}.png"):
    rng = np.random.default_rng(seed)
    paths, pids, domain = [], [], []
    for number, name in enumerate(names):
        for pid in range(9):
            for camera in range(2):
                path = folder / name / pattern.format(pid=pid, camera=camera, index=0)
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.new("RGB", (4, 8), (20 * pid, 40 * number, 90 * camera)).save(path)
                paths.append(str(path))
                pids.append(9 * number + pid)
                domain.append(number)
    features = rng.normal(size=(len(paths), 6))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Sample(list(names), features, np.array(pids), np.array(domain), paths)


def by_loops(without, trained, alike):
    """Mended and broken anchors, one image at a time."""
    before, after = (s.features @ s.features.T for s in (without, trained))
    counts = {"triples": 0, "mended": 0, "broken": 0}
    for a in range(len(without.paths)):
        candidates = [c for c in range(len(without.paths)) if alike(a, c)]
        rivals = [
            b
            for b in range(len(without.paths))
            if without.domain[b] == without.domain[a] and without.pids[b] != without.pids[a]
        ]
        if not candidates:
            continue
        b = max(rivals, key=lambda i: before[a, i] + after[a, i])
        c = max(candidates, key=lambda i: before[a, i] + after[a, i])
        counts["triples"] += 1
        counts["mended"] += bool(before[a, c] < before[a, b] and after[a, c] > after[a, b])
        counts["broken"] += bool(before[a, c] > before[a, b] and after[a, c] < after[a, b])
    return counts


def test_drawn_look_alikes_decide_which_order_is_right(tmp_path):
    without, trained = sample(tmp_path, 1), sample(tmp_path, 2)

    def alike(a, c):
        one, other = (NAMES[without.domain[i]] for i in (a, c))
        if one == other:
            return False
        numbers = tuple(int(without.pids[i] % 9) for i in (a, c))
        return numbers in rendered.lookalikes(one, other, 9)

    found = find_triples(without, trained, 6, tmp_path, "pictures")
    expected = by_loops(without, trained, alike)
    counts = found["triple_counts"]
    assert {key: counts[key] for key in expected} == expected
    assert counts["constructed"] is True
    assert 0 < counts["triples"] < len(without.paths)


def test_elsewhere_any_image_of_another_domain_can_be_c(tmp_path):
    pattern = "{pid:04d}_c{camera}.png"
    without, trained = (sample(tmp_path, seed, pattern=pattern) for seed in (1, 2))
    found = find_triples(without, trained, 6, tmp_path, "pictures")
    expected = by_loops(without, trained, lambda a, c: without.domain[a] != without.domain[c])
    counts = found["triple_counts"]
    assert {key: counts[key] for key in expected} == expected
    assert counts["constructed"] is False
    assert counts["triples"] == len(without.paths)
    assert counts["mended"]
    assert counts["broken"]


def test_the_triples_shown_are_what_they_say(tmp_path):
    pattern = "{pid:04d}_c{camera}.png"
    without, trained = (sample(tmp_path, seed, pattern=pattern) for seed in (1, 2))
    found = find_triples(without, trained, 6, tmp_path, "pictures/here")["triples"]
    assert [triple["mended"] for triple in found] == [True] * 3 + [False] * 3
    originals = {Image.open(path).tobytes(): i for i, path in enumerate(without.paths)}
    for triple in found:
        a, b, c = (
            originals[Image.open(tmp_path / triple[part]).tobytes()]
            for part in ("anchor", "same_domain", "other_domain")
        )
        assert without.domain[a] == without.domain[b] != without.domain[c]
        assert without.pids[a] != without.pids[b]
        assert triple["anchor_domain"] == NAMES[without.domain[a]]
        assert triple["other_domain_name"] == NAMES[without.domain[c]]
        for key, each in (("without", without), ("with", trained)):
            cosines = triple[key]
            near, far = (float(each.features[a] @ each.features[i]) for i in (b, c))
            assert cosines == {
                "same_domain": pytest.approx(near, abs=1e-4),
                "other_domain": pytest.approx(far, abs=1e-4),
            }
            nearer = cosines["other_domain"] > cosines["same_domain"]
            assert nearer == (triple["mended"] == (key == "with"))


def test_models_of_different_images_cannot_be_compared(tmp_path):
    with pytest.raises(ValueError) as error:
        find_triples(
            sample(tmp_path, 1), sample(tmp_path, 2, names=NAMES[:2]), 6, tmp_path, "pictures"
        )
    assert "different images" in str(error.value)
