"""The gradient of each term on the mapping network, and that looking at it changes nothing."""

import pytest
import torch

from ddan_torchreid.training.gradients import not_finite, term_gradients
from tests.engines import first_batch, prepared, weights_and_pool
from tests.whole_runs import differences

TERMS = ("loss_id", "loss_triplet", "loss_confusion", "loss_similarity")


def test_each_norm_is_that_of_a_backward_pass_of_its_own(small_engine):
    engine = prepared(small_engine("ddan.weight_adversarial", "3.0"))
    batch = first_batch(engine)
    for module in engine.model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0  # with the statistics of a new one all features are alike
    engine.forward_backward(batch)  # fills the pool
    engine.model.eval()  # the second pass must not find other batch-norm statistics
    engine.model.training = True
    data = engine.parse_data_for_train(batch)
    weights = engine.objective.named_weights()
    found = term_gradients(engine.losses(*data).terms, weights, engine.bare_model.mapping)
    assert list(found) == [f"gradient_{name}" for name in TERMS]
    for name in TERMS:
        engine.model.zero_grad()
        again = engine.losses(*data).terms
        (weights[name] * again[name]).backward()
        squares = [p.grad.double().pow(2).sum() for p in engine.bare_model.mapping.parameters()]
        expected = float(sum(squares).sqrt())
        assert expected > 0
        assert float(found[f"gradient_{name}"]) == pytest.approx(expected, rel=1e-4)


def test_terms_that_are_off_or_without_weight_or_parameters_have_none():
    layer = torch.nn.Linear(2, 1)
    loss = layer(torch.ones(1, 2)).sum()
    terms = {"one": loss, "constant": torch.ones((), requires_grad=True), "unweighted": loss}
    found = term_gradients(terms, {"one": 2.0, "constant": 1.0, "off": 1.0}, layer)
    # d/dw = 2 (1, 1) and d/db = 2
    assert {name: float(value) for name, value in found.items()} == {
        "gradient_one": pytest.approx(12**0.5),
        "gradient_constant": 0.0,
    }
    assert layer.weight.grad is None
    layer.requires_grad_(False)
    assert term_gradients(terms, {"one": 2.0}, layer) == {}


def test_looking_at_gradients_changes_no_bit(small_engine):
    states, summaries = [], []
    for every in ("0", "2"):
        engine = prepared(small_engine("ddan.log_gradients", every))
        batch = first_batch(engine)
        summaries.append([])
        for engine.batch_idx in range(3):
            summaries[-1].append(engine.forward_backward(batch))
        states.append(weights_and_pool(engine))
    assert not differences(*states)
    keys = {f"gradient_{name}" for name in TERMS}
    assert [keys <= set(each) for each in summaries[1]] == [True, False, True]
    assert not any(keys & set(each) for each in summaries[0])
    for plain, watched in zip(*summaries, strict=True):
        assert plain == {key: value for key, value in watched.items() if key not in keys}


def stepping(*gradients):
    """An optimiser of one parameter for each gradient, in a group of its own; None is allowed."""
    parameters = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return torch.optim.SGD([{"params": [parameter]} for parameter in parameters], lr=0.1)


@pytest.mark.parametrize(("bad", "place"), [("nan", 0), ("inf", 1), ("-inf", 2)])
def test_one_number_that_is_not_finite_is_found_wherever_it_is(bad, place):
    gradients = [torch.full((2, 3), 3e38) for _ in range(3)]  # whose sum and norm overflow
    optimizers = [stepping(gradients[0], None), stepping(*gradients[1:])]
    assert not_finite(optimizers) == 0
    before = [each.clone() for each in gradients]
    gradients[place][1, 2] = float(bad)
    assert not_finite(optimizers) == 1
    gradients[place][1, 2] = 3e38
    assert all(map(torch.equal, gradients, before))
    assert not_finite([stepping(None)]) == 0
