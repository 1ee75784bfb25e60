"""What features say of the source, and whether look-alikes are near, against slow references."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from ddan_torchreid.data import rendered
from ddan_torchreid.experiments import probes
from ddan_torchreid.experiments.samples import Sample

NAMES = ["rendered_plaza", "rendered_mall", "rendered_film"]
PEOPLE = 24


def sample(mapped=None, features=None):
    """Two images of each of 24 people in three domains."""
    rng = np.random.default_rng(3)
    keys = [(d, n) for d in range(3) for n in range(PEOPLE) for _ in range(2)]
    domain, number = np.array(keys).T
    if mapped is None:
        mapped = rng.random((len(keys), 6))
    if features is None:
        features = rng.normal(size=(len(keys), 6))
    paths = [f"{NAMES[d]}/train/{n:05d}_c{i % 2}_0.png" for i, (d, n) in enumerate(keys)]
    return Sample(NAMES, features, domain * PEOPLE + number, domain, paths, mapped)


def reference(given, central, k):
    """The shares of ``lookalikes_found``, one person after the other."""
    people = [(d, n) for d in range(3) for n in range(PEOPLE)]
    rows = {
        key: given.mapped[given.pids == key[0] * PEOPLE + key[1]].mean(0) for key in people
    }  # fmt: skip
    found, chance, colour, colour_all = [], [], [], []
    for d, n in people:
        alike = [
            (e, m)
            for e in range(3)
            if e != d
            for a, m in rendered.lookalikes(NAMES[d], NAMES[e], PEOPLE)
            if a == n
        ]
        if NAMES[d] == central or not alike:
            continue
        others = [key for key in people if key[0] != d]
        lengths = {key: np.linalg.norm(rows[key]) for key in people}
        near = sorted(others, key=lambda o: -rows[o] @ rows[d, n] / lengths[o])[:k]
        found.append(any(key in alike for key in near))
        chance.append(1 - hypergeom.pmf(0, len(others), len(alike), k))

        def difference(key, own=(d, n)):
            mine, its = (rendered.look_of(NAMES[e], m) for e, m in (own, key))
            return np.abs(np.subtract((*mine.upper, *mine.lower), (*its.upper, *its.lower))).mean()

        colour += [difference(key) for key in near]
        colour_all += [difference(key) for key in others]
    means = map(np.mean, (found, chance, colour, colour_all))
    names = ("found", "chance", "colour", "colour_chance")
    return dict(zip(names, means, strict=True)) | {"k": k, "identities": len(found)}


@pytest.mark.parametrize("central", ["rendered_film", ""])
@pytest.mark.parametrize("k", [1, 5])
def test_lookalikes_are_counted_as_a_slow_reference_counts_them(central, k):
    found = probes.lookalikes_found(sample(), central, k)
    assert found == pytest.approx(reference(sample(), central, k))
    assert 0 < found["identities"] < 3 * PEOPLE


def test_features_that_show_the_look_find_every_lookalike():
    given = sample()
    numbers = given.drawn_numbers()
    looks = [rendered.look_of(NAMES[d], n) for d, n in zip(given.domain, numbers, strict=True)]
    colours = np.array([np.ravel(look.colours()) for look in looks], dtype=float)
    found = probes.lookalikes_found(sample(mapped=colours - colours.mean(0)))
    assert found["found"] == 1
    assert found["colour"] < 0.8 * found["colour_chance"]
    assert found["chance"] < 0.5


def test_photographs_have_no_known_lookalikes():
    given = sample()
    real = Sample(["viper", "grid", "prid"], *list(vars(given).values())[1:])
    assert probes.lookalikes_found(real) is None
    assert "neighbours" not in probes.probe(real)


def test_the_domain_probe_is_right_where_domains_lie_apart_and_guesses_where_they_do_not():
    given = sample()
    apart = given.features + 8 * np.eye(6)[given.domain]
    assert probes.domain_probe(sample(features=apart)) == {"accuracy": 1.0, "chance": 1 / 3}
    assert probes.domain_probe(given)["accuracy"] < 0.55


def test_the_domain_probe_is_scored_on_other_people():
    """Features that name the person, and say nothing of the domain, must not help."""
    given = sample()
    person = np.eye(3 * PEOPLE)[given.pids]
    assert probes.domain_probe(sample(features=person))["accuracy"] == pytest.approx(1 / 3, abs=0.1)


def test_the_central_probe_asks_for_one_domain_and_counts_both_sides_alike():
    given = sample()
    film = given.features + 8 * np.outer(given.domain == 2, np.eye(6)[0])
    assert probes.central_probe(sample(features=film), "rendered_film") == {"balanced": 1.0}
    assert probes.central_probe(sample(features=film), "rendered_mall")["balanced"] < 0.85
    assert probes.central_probe(given, "rendered_film")["balanced"] == pytest.approx(0.5, abs=0.15)
    assert probes.central_probe(given, "auto") is None
    assert "central_probe" not in probes.probe(given, "auto")


def test_a_single_source_has_nothing_to_be_told_from():
    given = sample()
    one = Sample(NAMES[:1], *list(vars(given).values())[1:])
    assert probes.probe(one) == {}


def test_a_channel_that_varies_by_rounding_alone_tells_nothing():
    domain = np.repeat([0, 1], 60)
    features = np.random.default_rng(0).normal(size=(120, 3))
    features[:, 2] = 1e-16 * domain
    given = Sample(["a", "b"], features, np.repeat(np.arange(60), 2), domain, [""] * 120, features)
    assert probes.domain_probe(given)["accuracy"] < 0.75
    features[:, 2] = domain
    assert probes.domain_probe(given)["accuracy"] == 1
