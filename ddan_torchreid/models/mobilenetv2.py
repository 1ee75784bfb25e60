"""MobileNetV2 as the encoder and mapping network of DDAN, with batch norm or IN/BN.

The network is torchvision's. Its state-dict keys keep torchvision's indices::

    torchvision                DDANModel
    features.<i>.... (0..17)   encoder.<i>....
    features.18....            mapping.18....
    (none)                     encoder.<i>.instance_norm.{weight,bias}   i = 1..13, IN/BN only
    (none)                     neck...., classifier....
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.models.mobilenetv2 import InvertedResidual

from .ddan_model import DDANModel
from .layers import GlobalAveragePool, replace_relu6
from .weights import WITHOUT, load_imagenet_weights

NORMS = ("bn", "in_bn")
WIDTHS = {"x0_35": 0.35, "x0_5": 0.5, "x0_75": 0.75, "x1_0": 1.0, "x1_4": 1.4}

LAST_FEATURE = 18  # the 1x1 convolution that DDAN uses as the mapping network
INSTANCE_NORM_BLOCKS = 13  # features[1..13]; features[14..17] have batch norm only


class InstanceNormInvertedResidual(InvertedResidual):
    """Inverted residual block with an instance norm after the residual addition (DualNorm)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instance_norm = nn.InstanceNorm2d(self.out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inp, h, w) -> (B, oup, h / stride, w / stride)."""
        return self.instance_norm(super().forward(x))


def _features(width_mult: float, norm: str) -> tuple[nn.Sequential, int]:
    """torchvision's ``features`` with the wanted normalisation, and the number of its channels."""
    if norm == "bn":
        network = mobilenet_v2(width_mult=width_mult)
        return network.features, network.last_channel
    blocks = iter([InstanceNormInvertedResidual] * INSTANCE_NORM_BLOCKS + [InvertedResidual] * 4)
    network = mobilenet_v2(
        width_mult=width_mult, block=lambda *args, **kwargs: next(blocks)(*args, **kwargs)
    )
    stem = network.features[0]
    stem[1] = nn.InstanceNorm2d(stem[1].num_features, affine=True)
    return network.features, network.last_channel


def ddan_mobilenetv2(
    num_classes: int,
    loss: str = "softmax",
    pretrained: bool = True,
    use_gpu: bool = True,
    *,
    width_mult: float = 1.0,
    norm: str = "bn",
    dropout: float = 0.5,
) -> DDANModel:
    """MobileNetV2 with the split of Sec. 4.1: the mapping network is the last convolution.

    With ``norm='in_bn'`` the normalisation is that of DualNorm's MobileNetV2 ("DDAN+DualNorm" of
    Table 1): an instance norm takes the place of the stem's batch norm, another follows each of the
    blocks ``features[1..13]`` after the residual addition, and ``features[14..18]`` and the neck
    have batch norm only. The stem keeps no batch norm before its instance norm because an instance
    norm undoes any change of scale or offset of a channel (all but the sign of a negative scale).
    When ImageNet weights are loaded, the weight and bias of the stem's batch norm become
    those of its instance norm: the same layer, with the statistics of each image instead of
    the running ones.

    Args:
        num_classes: Number of identities over all source domains.
        loss: 'softmax', 'triplet' or 'ddan'; see :class:`DDANModel`.
        pretrained: Load torchvision's ImageNet weights (``IMAGENET1K_V1``, as the release did).
        use_gpu: Part of torchreid's factory interface; the caller moves the model.
        width_mult: Width multiplier. ImageNet weights exist for 1.0 only.
        norm: 'bn' or 'in_bn'.
        dropout: Dropout probability before the classifier.

    Returns:
        A model whose ``feature_dim`` is 1280, or 1792 at width 1.4.

    Raises:
        ValueError: Unknown ``norm`` or ``loss``, or ImageNet weights asked for at another width.
        FileNotFoundError: The ImageNet weights are neither cached nor downloadable.
        RuntimeError: The file of ImageNet weights is unreadable or does not fit.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is {norm!r}; write one of {', '.join(map(repr, NORMS))}")
    if pretrained and width_mult != 1.0:
        raise ValueError(
            f"ImageNet weights exist for width 1.0 only, not for {width_mult}; {WITHOUT}"
        )
    features, feature_dim = _features(width_mult, norm)
    replace_relu6(features)
    mapping = features[LAST_FEATURE:]
    mapping.add_module("pool", GlobalAveragePool())
    mapping.add_module("flatten", nn.Flatten())
    model = DDANModel(features[:LAST_FEATURE], mapping, feature_dim, num_classes, loss, dropout)
    if pretrained:
        load_imagenet_weights(model)
    return model


#: Model factories by the name under which torchreid knows them.
FACTORIES: dict[str, Callable[..., DDANModel]] = {
    f"ddan_mobilenetv2_{prefix}{suffix}": partial(ddan_mobilenetv2, width_mult=width, norm=norm)
    for norm, prefix in (("bn", ""), ("in_bn", "in_bn_"))
    for suffix, width in WIDTHS.items()
}
