import pytest

from ddan_torchreid.config.settings import DDANSettings

SOURCES = ["cuhk02", "cuhk03", "cuhksysu"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"alignment": "centre"}, "did you mean 'central'?"),
        ({"similarity_reduction": "sum"}, "write one of mean, eq8"),
        ({"temperature": 0.0}, "must be above 0"),
        ({"temperature": float("nan")}, "must be above 0"),
        ({"weight_adversarial": -0.1}, "0 or more"),
        ({"weight_similarity": float("inf")}, "finite"),
        ({"top_k": 0}, "must be a whole number, 1 or more"),
        ({"top_k": True}, "must be a whole number"),
        ({"top_k": 2.0}, "must be a whole number"),
        ({"margin": "0.3"}, "must be a number"),
        ({"compile": 1}, "must be true or false"),
        ({"update_rate": 1.5}, "in [0, 1]"),
        ({"label_smoothing": 1.0}, "0 or more and below 1"),
        ({"seed": 2**32}, "0 or more and below 4294967296"),
        ({"weight_identity": 0.0, "weight_triplet": 0.0}, "weight_identity and weight_triplet"),
        ({"confusion": "central", "alignment": "pairwise"}, "needs alignment='central'"),
        ({"pool_sharding": True, "pool_device": "cpu"}, "exclude each other"),
        ({"cuda_graphs": "on", "accumulate_steps": 2}, "accumulate_steps=2 and cuda_graphs"),
        ({"splits_from": "torchreid"}, "write evaluation_splits 10 too"),
    ],
)
def test_an_illegal_value_is_refused_in_one_line(options, says):
    with pytest.raises(ValueError) as error:
        DDANSettings(**options)
    assert says in str(error.value)
    assert next(iter(options)) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match="did you mean 'top_k'"):
        DDANSettings.from_keywords({"topk": 8})


WITHOUT_ALIGNMENT = {"weight_adversarial": 0.0, "weight_similarity": 0.0}


@pytest.mark.parametrize("options", [{"alignment": "pairwise"}, WITHOUT_ALIGNMENT, {}])
def test_the_central_domain_must_be_a_source_where_there_is_one(options):
    DDANSettings(central_domain="auto", **options).check_sources(SOURCES)
    settings = DDANSettings(central_domain="cuhk2", **options)
    assert settings.needs_central_domain is not bool(options)
    if options:
        settings.check_sources(SOURCES)
    else:
        with pytest.raises(ValueError, match="did you mean 'cuhk02'"):
            settings.check_sources(SOURCES)


@pytest.mark.parametrize(
    ("changes", "adversarial", "similarity"),
    [
        ({}, True, True),
        ({"weight_adversarial": 0.0}, False, True),
        ({"weight_similarity": 0.0}, True, False),
        ({"alignment": "none", "weight_similarity": 0.0}, False, False),
        (WITHOUT_ALIGNMENT, False, False),
    ],
)
def test_what_aligns_needs_two_sources(changes, adversarial, similarity):
    settings = DDANSettings(central_domain="cuhk02", **changes)
    assert (settings.adversarial, settings.similarity) == (adversarial, similarity)
    if adversarial or similarity:
        with pytest.raises(ValueError, match="two source domains or more, got cuhk02"):
            settings.check_sources(["cuhk02"])
    else:
        settings.check_sources(["cuhk02"])
