"""DDAN on torchreid's backbones: ResNet-50 and OSNet, with and without instance normalisation.

=====================  =================  ==================================================
network of torchreid   encoder            mapping network
=====================  =================  ==================================================
``resnet50*``          up to ``layer4.1`` last bottleneck ``layer4.2``, global pooling, ``fc``
``osnet_*``            up to ``conv4``    last 1x1 convolution ``conv5``, global pooling, ``fc``
=====================  =================  ==================================================

In the paper the mapping network is the last convolution of MobileNetV2 (Sec. 4.1). OSNet ends in
such a layer too; ResNet ends in residual blocks, so the last of them is taken whole. ``fc`` is the
layer that gives OSNet and ``resnet50_fc512`` their 512 numbers; the other ResNets have none. The
only tensors dropped are ``classifier.weight`` and ``classifier.bias``; all others keep torchreid's
names behind ``encoder.`` or ``mapping.``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torchreid

from .ddan_model import DDANModel
from .split import Split, split_backbone
from .weights import WITHOUT

RESNET = Split(
    encoder=(
        *("conv1", "bn1", "relu", "maxpool"),
        *("layer1", "layer2", "layer3", "layer4.0", "layer4.1"),
    ),
    mapping=("layer4.2", "global_avgpool", "flatten", "fc"),
)
RESNET_IBN = replace(RESNET, mapping=("layer4.2", "avgpool", "flatten", "fc"))
OSNET = Split(
    encoder=("conv1", "maxpool", "conv2", "conv3", "conv4"),
    mapping=("conv5", "global_avgpool", "flatten", "fc"),
)
OSNET_AIN = replace(
    OSNET, encoder=("conv1", "maxpool", "conv2", "pool2", "conv3", "pool3", "conv4")
)

#: Splits by torchreid's name of the network. Add one to use :func:`ddan_backbone` with another.
SPLITS: dict[str, Split] = {
    "resnet50": RESNET,
    "resnet50_fc512": RESNET,
    "resnet50_ibn_a": RESNET_IBN,
    "resnet50_ibn_b": RESNET_IBN,
    "osnet_x1_0": OSNET,
    "osnet_x0_75": OSNET,
    "osnet_x0_5": OSNET,
    "osnet_x0_25": OSNET,
    "osnet_ibn_x1_0": OSNET,
    "osnet_ain_x1_0": OSNET_AIN,
    "osnet_ain_x0_75": OSNET_AIN,
    "osnet_ain_x0_5": OSNET_AIN,
    "osnet_ain_x0_25": OSNET_AIN,
}


def ddan_backbone(
    name: str,
    num_classes: int,
    loss: str = "softmax",
    pretrained: bool = True,
    use_gpu: bool = True,
    *,
    dropout: float = 0.5,
) -> DDANModel:
    """A DDAN model on one of torchreid's networks.

    Another network of torchreid's, or one registered with it, takes two lines::

        SPLITS["mobilenetv2_x1_0"] = Split(encoder=[...], mapping=[...])
        BACKBONES["ddan_mobilenetv2_reid"] = partial(ddan_backbone, "mobilenetv2_x1_0")

    and ``ddan_torchreid.register()`` afterwards makes it known to ``torchreid.models.build_model``.

    Args:
        name: torchreid's name of the network, a key of :data:`SPLITS`.
        num_classes: Number of identities over all source domains.
        loss: 'softmax', 'triplet' or 'ddan'; see :class:`DDANModel`.
        pretrained: Load the ImageNet weights that torchreid has for the network, which it
            downloads when they are not cached.
        use_gpu: Part of torchreid's factory interface; the caller moves the model.
        dropout: Dropout probability before the classifier.

    Raises:
        ValueError: No split is known for ``name``, torchreid has no such network, or ``loss`` is
            unknown.
        FileNotFoundError: The ImageNet weights are neither cached nor downloadable.
    """
    if name not in SPLITS:
        raise ValueError(
            f"no split into encoder and mapping network is known for {name!r}; add one to SPLITS, "
            f"or write one of {', '.join(SPLITS)}"
        )
    try:
        # The classifier is dropped, so it need not have the right size.
        network = torchreid.models.build_model(
            name, num_classes=1, loss="softmax", pretrained=pretrained, use_gpu=use_gpu
        )
    except KeyError as error:
        raise ValueError(
            f"torchreid has no network {name!r}; register it with torchreid first"
        ) from error
    except Exception as error:  # gdown, urllib and torch.load each raise errors of their own
        if not pretrained:
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: torchreid could not download or load them "
            f"({reason}); {WITHOUT}"
        ) from error
    model = DDANModel(*split_backbone(network, SPLITS[name]), num_classes, loss, dropout)
    model.weights_from = "ImageNet" if pretrained else ""
    return model


#: Model factories by the name under which torchreid knows them.
BACKBONES: dict[str, Callable[..., DDANModel]] = {
    f"ddan_{name}": partial(ddan_backbone, name) for name in SPLITS
}
