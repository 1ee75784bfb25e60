"""Splitting a network: same features, all tensors accounted for, nothing disturbed."""

import pytest
import torch
import torchreid
from torch import Tensor, nn

from ddan_torchreid.models import Split, split_backbone

N = 5


class Chain(nn.Module):
    """A network as torchreid's are: features in eval mode, logits in training mode."""

    def __init__(self, relu_first: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        head = [nn.ReLU(inplace=True), nn.Conv2d(4, 6, 1)]
        self.blocks = nn.Sequential(nn.Conv2d(4, 4, 1), *(head if relu_first else head[::-1]))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc: nn.Module | None = None
        self.classifier = nn.Linear(6, N)

    def forward(self, x: Tensor) -> Tensor:
        v = self.pool(self.blocks(self.stem(x))).flatten(1)
        return self.classifier(v) if self.training else v


SPLIT = Split(
    encoder=["stem", "blocks.0"], mapping=["blocks.1", "blocks.2", "pool", "flatten", "fc"]
)


def images(*size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(3))


def test_parts_together_are_the_network():
    torch.manual_seed(0)
    network = Chain()
    encoder, mapping, feature_dim = split_backbone(network, SPLIT)
    assert feature_dim == 6
    x = images(2, 3, 32, 16)
    network.eval()
    assert torch.equal(mapping(encoder(x)), network(x))
    assert encoder(x).shape == (2, 4, 15, 7)


def test_tensors_keep_their_names_and_are_shared():
    network = Chain()
    encoder, mapping, _ = split_backbone(network, SPLIT)
    assert [n for n, _ in mapping.named_children()] == ["blocks", "pool", "flatten"]
    kept = {**encoder.state_dict(), **mapping.state_dict()}
    original = network.state_dict()
    assert original.keys() - kept.keys() == {"classifier.weight", "classifier.bias"}
    for name, tensor in kept.items():
        assert tensor.data_ptr() == original[name].data_ptr(), name


def test_nothing_is_disturbed():
    network = Chain()
    network.stem[1].eval()
    modes = [m.training for m in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(4)
    before = torch.get_rng_state()
    split_backbone(network, SPLIT)
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in network.modules()] == modes
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_modes_are_restored_when_the_check_fails():
    network = Chain().train()
    with pytest.raises(RuntimeError):
        split_backbone(network, SPLIT, input_size=(1, 1))
    assert all(m.training for m in network.modules())


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(["stem"], ["blocks", "gap", "flatten"]), "no child 'gap'; its children are stem, b"),
        (Split(["stem"], ["blocks.7", "pool"]), "no child 'blocks.7'"),
        (Split(["stem"], ["stem", "blocks", "pool"]), "names stem twice"),
        (
            Split(["stem", "blocks.0"], ["blocks.2", "pool", "flatten"]),
            "leaves out 2 tensors of Chain, such as blocks.1.bias; name the child in encoder",
        ),
        (Split(["stem"], ["blocks", "pool", "flatten"], dropped=[]), "such as classifier.bias"),
        (Split(["stem"], ["blocks", "pool"]), r"gives \(1, 6, 1, 1\) for one image"),
        (
            Split(["stem", "blocks.0"], ["blocks.1", "pool", "flatten"]),
            "other features than Chain: its forward is not these children in a row",
        ),
        (Split(["stem"], ["blocks", "pool", "flatten", "classifier"]), "other features than Chain"),
    ],
)
def test_splits_that_cannot_be_right(split, message):
    with pytest.raises(ValueError, match=message) as caught:
        split_backbone(Chain(), split)
    assert "\n" not in str(caught.value)


def test_mapping_that_begins_in_place_is_refused():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="works in place; move it to the encoder"):
        split_backbone(Chain(relu_first=True), SPLIT)
    moved = Split(["stem", "blocks.0", "blocks.1"], ["blocks.2", "pool", "flatten"])
    assert split_backbone(Chain(relu_first=True), moved)[2] == 6


def test_the_split_of_the_docstring_is_right():
    torch.manual_seed(0)
    network = torchreid.models.build_model("mobilenetv2_x1_0", num_classes=N, pretrained=False)
    split = Split(
        encoder=[f"conv{i}" for i in range(1, 9)],
        mapping=["conv9", "global_avgpool", "flatten", "fc"],
    )
    encoder, mapping, feature_dim = split_backbone(network, split)
    assert feature_dim == 1280
    x = images(2, 3, 128, 64)
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(mapping(encoder(x)), network(x), rtol=1e-5, atol=1e-5)
