"""Splitting a re-id network into the encoder and the mapping network of DDAN (Sec. 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from .layers import GlobalAveragePool

#: Stands for ``nn.Flatten()`` in a list of children, for networks that flatten in ``forward``.
FLATTEN = "flatten"


@dataclass(frozen=True)
class Split:
    """Which children of a network make up the encoder, and which the mapping network.

    The children are called one after the other, in the order given, so this describes networks
    whose ``forward`` is a chain. A dotted name takes one layer of a ``Sequential``. A child
    that is None in the network (torchreid's ``fc`` where there is none) is skipped. In the paper
    the mapping network is the last convolution of MobileNetV2; take the last layer or block before
    the global pooling, the pooling itself, and what follows it up to the feature.
    :func:`split_backbone` has an example.

    Attributes:
        encoder: Children that lead from images to maps (B, C, h, w).
        mapping: Children that lead from these maps to features (B, D); 'flatten' stands for
            ``nn.Flatten()``.
        dropped: Children that no feature passes through; their tensors are left behind.
    """

    encoder: Sequence[str]
    mapping: Sequence[str]
    dropped: Sequence[str] = ("classifier",)


def split_backbone(
    backbone: nn.Module, split: Split, input_size: tuple[int, int] = (128, 64)
) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Splits a network into encoder and mapping network, and checks that both together equal it.

    The parts share their modules with ``backbone``. A tensor ``layer4.2.conv1.weight`` of the
    backbone is ``layer4.2.conv1.weight`` in the part that has it too. The check runs one fixed
    image through the network in eval mode and changes nothing: neither random state, nor running
    statistics, nor the modules' modes.

    The result is what :class:`DDANModel` begins with. torchreid's own MobileNetV2, whose last
    convolution is ``conv9``, and its split::

        from ddan_torchreid.models import DDANModel, Split, split_backbone

        network = torchreid.models.build_model("mobilenetv2_x1_0", num_classes=1)
        split = Split(
            encoder=[f"conv{i}" for i in range(1, 9)],
            mapping=["conv9", "global_avgpool", "flatten", "fc"],
        )
        model = DDANModel(*split_backbone(network, split), num_classes=751, loss="ddan")

    Args:
        backbone: Network that returns its features (B, D) in eval mode, as torchreid's do.
        split: Its children.
        input_size: Height and width of the image in pixels.

    Returns:
        Encoder (B, 3, H, W) -> (B, C, h, w), mapping network (B, C, h, w) -> (B, D), and D.

    Raises:
        ValueError: A child does not exist or is named twice, a tensor of the backbone is in neither
            part and not dropped, the features differ from those of the backbone, or the mapping
            network changes its input in place (L2 of Eq. 9 needs it unchanged).
    """
    names = [*split.encoder, *split.mapping]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"the split names {', '.join(sorted(twice))} twice; name each child once")
    encoder, mapping = _chain(backbone, split.encoder), _chain(backbone, split.mapping)
    kept = {*encoder.state_dict(), *mapping.state_dict()}
    left_out = [
        name
        for name in backbone.state_dict()
        if name not in kept and not name.startswith(tuple(f"{child}." for child in split.dropped))
    ]
    if left_out:
        raise ValueError(
            f"the split leaves out {len(left_out)} tensors of {type(backbone).__name__}, such as "
            f"{min(left_out)}; name the child in encoder, mapping or dropped"
        )
    return encoder, mapping, _checked_feature_dim(backbone, encoder, mapping, input_size)


def _chain(backbone: nn.Module, names: Sequence[str]) -> nn.Sequential:
    """Children of the backbone in a row, under the names that they have there."""
    chain = nn.Sequential()
    for name in names:
        module = _child(backbone, name)
        if module is None:
            continue
        *parents, last = name.split(".")
        place = chain
        for parent in parents:
            if parent not in place._modules:
                place.add_module(parent, nn.Sequential())
            place = getattr(place, parent)
        # The same layer, with a cheaper backward pass.
        if type(module) is nn.AdaptiveAvgPool2d and module.output_size in (1, (1, 1)):
            module = GlobalAveragePool()
        place.add_module(last, module)
    return chain


def _child(backbone: nn.Module, name: str) -> nn.Module | None:
    try:
        return attrgetter(name)(backbone)
    except AttributeError:
        if name == FLATTEN:
            return nn.Flatten()
        children = ", ".join(child for child, _ in backbone.named_children())
        raise ValueError(
            f"{type(backbone).__name__} has no child {name!r}; its children are {children}"
        ) from None


@torch.no_grad()
def _checked_feature_dim(
    backbone: nn.Module, encoder: nn.Module, mapping: nn.Module, input_size: tuple[int, int]
) -> int:
    """Length of the features, which must be those of the backbone."""
    like = next(backbone.parameters())
    height, width = input_size
    # Not drawn at random, and neither constant nor symmetric, so that a wrong order shows.
    pixels = torch.linspace(-2, 2, 3 * height * width, device=like.device, dtype=like.dtype)
    images = pixels.view(1, 3, height, width)
    modes = [(module, module.training) for module in backbone.modules()]
    try:
        backbone.eval()
        expected: Any = backbone(images.clone())
        z = encoder(images.clone())
        changes = z._version
        features = mapping(z)
    finally:
        for module, mode in modes:
            module.training = mode
    if z._version != changes:
        raise ValueError(
            "the first operation of the mapping network works in place; move it to the encoder"
        )
    if features.dim() != 2:
        raise ValueError(
            f"the mapping network gives {tuple(features.shape)} for one image, not (1, D); "
            f"it must end with global pooling and {FLATTEN!r}"
        )
    if getattr(expected, "shape", None) != features.shape or not (
        like.is_meta or torch.allclose(features, expected, rtol=1e-4, atol=1e-5)
    ):
        raise ValueError(
            f"encoder and mapping network give other features than {type(backbone).__name__}: its "
            "forward is not these children in a row"
        )
    return features.shape[1]
