import pytest

from ddan_torchreid.config.settings import DDANSettings

SOURCES = ["cuhk02", "cuhk03", "cuhksysu"]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("alignment", "centre", "did you mean 'central'?"),
        ("confusion", "unifrom", "did you mean 'uniform'?"),
        ("neck", "bnn", "did you mean 'bn'?"),
        ("similarity_reduction", "sum", "write one of mean, eq8"),
        ("similarity_log", "release", "did you mean 'released'?"),
        ("pool_device", "gpu", "write one of model, cpu"),
        ("temperature", 0.0, "must be above 0"),
        ("temperature", -1.0, "must be above 0"),
        ("temperature", float("nan"), "must be above 0"),
        ("weight_adversarial", -0.1, "0 or more"),
        ("weight_similarity", float("inf"), "finite"),
        ("margin", -0.3, "0 or more"),
        ("top_k", 0, "1 or more"),
        ("hidden_dim", 0, "1 or more"),
        ("warmup_steps", -1, "0 or more"),
        ("similarity_start_epoch", -1, "0 or more"),
        ("update_rate", 1.5, "in [0, 1]"),
        ("label_smoothing", 1.0, "in [0, 1)"),
    ],
)
def test_an_illegal_value_is_refused_in_one_line(option, value, says):
    with pytest.raises(ValueError, match="") as error:
        DDANSettings(**{option: value})
    assert says in str(error.value)
    assert option in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match="did you mean 'top_k'"):
        DDANSettings.from_keywords({"topk": 8})


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="weight_identity and weight_triplet"):
        DDANSettings(weight_identity=0.0, weight_triplet=0.0)


def test_the_central_confusion_needs_a_centre():
    with pytest.raises(ValueError, match="alignment='central'"):
        DDANSettings(confusion="central", alignment="pairwise")


def test_a_pool_that_is_shared_out_is_on_each_processs_device():
    with pytest.raises(ValueError, match="exclude each other"):
        DDANSettings(pool_sharding=True, pool_device="cpu")


def test_the_central_domain_must_be_a_source():
    with pytest.raises(ValueError, match="did you mean 'cuhk02'"):
        DDANSettings(central_domain="cuhk2").check_sources(SOURCES)
    DDANSettings(central_domain="auto").check_sources(SOURCES)
    # Pairwise alignment and the baseline have no centre to name.
    DDANSettings(central_domain="viper", alignment="pairwise").check_sources(SOURCES)
    DDANSettings(
        central_domain="viper", weight_adversarial=0.0, weight_similarity=0.0
    ).check_sources(SOURCES)


@pytest.mark.parametrize(
    ("changes", "needs_two"),
    [
        ({}, True),
        ({"weight_adversarial": 0.0}, True),
        ({"weight_similarity": 0.0}, True),
        ({"alignment": "none", "weight_similarity": 0.0}, False),
        ({"weight_adversarial": 0.0, "weight_similarity": 0.0}, False),
    ],
)
def test_alignment_needs_two_sources(changes, needs_two):
    settings = DDANSettings(central_domain="cuhk02", **changes)
    if needs_two:
        with pytest.raises(ValueError, match="two source domains or more, got cuhk02"):
            settings.check_sources(["cuhk02"])
    else:
        settings.check_sources(["cuhk02"])


def test_which_parts_exist_follows_from_the_weights():
    assert DDANSettings().adversarial
    assert DDANSettings().similarity
    assert DDANSettings().needs_central_domain
    assert not DDANSettings(alignment="none").adversarial
    assert not DDANSettings(weight_adversarial=0.0).adversarial
    assert not DDANSettings(weight_similarity=0.0).similarity
    assert not DDANSettings(alignment="pairwise").needs_central_domain
