"""DDANModel: outputs per mode and loss, who gets which gradient, running statistics."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from ddan_torchreid.models import DDANModel
from ddan_torchreid.models.ddan_model import apply_neck, map_and_align

B, C, D, N = 6, 5, 7, 11


def tiny_model(loss: str = "ddan", dropout: float = 0.5, seed: int = 0) -> DDANModel:
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Conv2d(3, C, 3, stride=2), nn.BatchNorm2d(C), nn.ReLU())
    mapping = nn.Sequential(
        nn.Conv2d(C, D, 1, bias=False),
        nn.BatchNorm2d(D),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return DDANModel(encoder, mapping, D, N, loss, dropout)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(B, 3, 12, 8, generator=torch.Generator().manual_seed(1))


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    yield
    for norm in norms:
        norm.track_running_stats = True


def two_passes(mapping: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """The definition in Eq. 9: a second forward pass on stop_gradient(z)."""
    m = mapping(z)
    with frozen_statistics(mapping):
        return m, mapping(z.detach())


def reached(model: nn.Module, output: Tensor) -> set[str]:
    """Children of the model that get a gradient from the output."""
    model.zero_grad(set_to_none=True)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    (output * weights).sum().backward(retain_graph=True)
    return {
        name
        for name, child in model.named_children()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in child.parameters())
    }


def test_children_and_attributes():
    model = tiny_model()
    names = ["encoder", "mapping", "neck", "dropout", "classifier"]
    assert [name for name, _ in model.named_children()] == names
    assert not list(model.parameters(recurse=False))
    assert (model.feature_dim, model.num_classes, model.loss, model.align) == (D, N, "ddan", True)
    assert (model.neck.weight == 1).all()
    assert (model.neck.bias == 0).all()
    assert model.classifier.bias is not None


@pytest.mark.parametrize("loss", ["softmax", "triplet", "ddan"])
def test_eval_gives_the_neck_features_for_every_loss(loss, images):
    model = tiny_model(loss).eval()
    model.neck.running_mean.uniform_()
    output = model(images)
    assert output.shape == (B, D)
    assert torch.equal(output, model.neck(model.mapping(model.encoder(images))))


def test_training_outputs(images):
    shapes = {"softmax": [(B, N)], "triplet": [(B, N), (B, D)], "ddan": [(B, N), (B, D), (B, D)]}
    for loss, expected in shapes.items():
        output = tiny_model(loss).train()(images)
        outputs = [output] if isinstance(output, Tensor) else output
        assert [tuple(o.shape) for o in outputs] == expected


def test_dropout_comes_after_the_features(images):
    model = tiny_model("triplet", dropout=1.0).train()
    logits, m = model(images)
    assert torch.equal(logits, model.classifier.bias.expand(B, N))
    assert m.abs().sum() > 0


def neck_by_hand(neck: nn.BatchNorm1d, m: Tensor, batch: bool) -> Tensor:
    """A batch norm with statistics of the batch or the running ones."""
    mean, variance = neck.running_mean, neck.running_var
    if batch:
        mean = m.sum(0) / len(m)
        variance = (m - mean).square().sum(0) / len(m)
    return (m - mean) / (variance + 1e-5).sqrt() * neck.weight + neck.bias


@pytest.mark.parametrize("loss", ["triplet", "ddan"])
@pytest.mark.parametrize("neck", ["bn", "none"])
def test_the_head_with_and_without_neck_is_what_one_computes_by_hand(neck, loss, images):
    model, images = tiny_model(loss, dropout=0.0).double(), images.double()
    batch_norm = model.neck
    for tensor in (*batch_norm.parameters(), batch_norm.running_mean, batch_norm.running_var):
        nn.init.uniform_(tensor, 0.5, 2)
    apply_neck(neck, model)

    m = model.eval().mapping(model.encoder(images))
    expected = neck_by_hand(batch_norm, m, batch=False) if neck == "bn" else m
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)

    logits, m, *_ = model.train()(images)
    assert torch.equal(m, model.mapping(model.encoder(images)))
    rows = neck_by_hand(batch_norm, m, batch=True) if neck == "bn" else m
    expected = rows @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("neck", ["bn", "none"])
@pytest.mark.parametrize("loss", ["softmax", "triplet", "ddan"])
def test_gradients_go_where_equation_9_sends_them(loss, neck, images):
    model = tiny_model(loss).train()
    apply_neck(neck, model)
    outputs = model(images)
    logits, *features = [outputs] if loss == "softmax" else outputs
    head = {"neck", "classifier"} if neck == "bn" else {"classifier"}
    assert reached(model, logits) == {"encoder", "mapping"} | head
    expected = [{"encoder", "mapping"}, {"mapping"}]
    assert [reached(model, each) for each in features] == expected[: len(features)]
    assert all(torch.equal(each, features[0]) for each in features)


def test_unknown_loss_names_the_valid_ones():
    with pytest.raises(ValueError, match="'softmax', 'triplet', 'ddan'"):
        tiny_model("trplet")


@pytest.mark.parametrize("use", ["m", "aligned", "both"])
def test_routed_gradients_equal_those_of_two_passes(use, images):
    gradients = []
    for forward in (map_and_align, two_passes):
        model = tiny_model().double().train()
        z = model.encoder(images.double())
        m, aligned = forward(model.mapping, z)
        weight = torch.linspace(-1, 1, D, dtype=torch.double)
        loss_m, loss_aligned = (m.square() * weight).sum(), (aligned.exp() * weight).sum()
        loss = {"m": loss_m, "aligned": loss_aligned, "both": loss_m + loss_aligned}[use]
        loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    routed, expected = gradients
    assert routed.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(routed[name], expected[name], rtol=1e-10, atol=1e-12)


def test_gradient_with_respect_to_z_is_numerically_right():
    model = tiny_model().double().train()
    z = torch.randn(3, C, 2, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: map_and_align(model.mapping, z)[0], z)


def test_routing_works_on_parameters_that_are_not_leaves(images):
    """The replicas of DataParallel hold copies of the parameters, with a gradient history."""
    model = tiny_model(dropout=0.0).train()

    def gradients(outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        loss = sum(weight * output.square().sum() for weight, output in enumerate(outputs, 1))
        return torch.autograd.grad(loss, list(model.parameters()))

    expected = gradients(model(images))
    copies = {name: p.clone() for name, p in model.named_parameters()}
    for got, want in zip(
        gradients(torch.func.functional_call(model, copies, (images,))), expected, strict=True
    ):
        assert torch.equal(got, want)


def test_routing_under_autocast(images):
    model = tiny_model().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, m, aligned = model(images)
    assert torch.equal(m, aligned)
    assert reached(model, aligned.float()) == {"mapping"}
    assert reached(model, m.float()) == {"encoder", "mapping"}
    assert reached(model, logits.float()) == {"encoder", "mapping", "neck", "classifier"}


def test_frozen_parts_and_no_grad(images):
    model = tiny_model().train()
    model.encoder.requires_grad_(False)
    _, m, aligned = model(images)
    assert reached(model, m) == reached(model, aligned) == {"mapping"}
    model.mapping.requires_grad_(False)
    assert not model(images)[2].requires_grad
    model.requires_grad_(True)
    with torch.no_grad():
        assert not any(output.requires_grad for output in model(images))


def test_aligned_features_are_detached_when_nothing_needs_them(images):
    model = tiny_model().train()
    model.align = False
    _, m, aligned = model(images)
    assert torch.equal(m, aligned)
    assert m.requires_grad
    assert not aligned.requires_grad


def test_running_statistics_move_once_a_step(images):
    states = []
    for loss in ("triplet", "ddan"):
        model = tiny_model(loss).train()
        outputs = model(images)
        sum(output.sum() for output in outputs).backward()
        states.append(dict(model.named_buffers()))
    assert states[0].keys() == states[1].keys()
    assert states[1]["mapping.1.num_batches_tracked"] == 1
    for name, buffer in states[0].items():
        assert torch.equal(buffer, states[1][name]), name
