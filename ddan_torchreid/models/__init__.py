"""Networks: the DDAN model on MobileNetV2 and torchreid's backbones, their weights and files."""

from .backbones import BACKBONES, SPLITS, ddan_backbone
from .ddan_model import DDANModel
from .loading import load_model
from .mobilenetv2 import FACTORIES, ddan_mobilenetv2
from .official import convert_official
from .shipped import build_named
from .split import Split, split_backbone
from .weights import load_imagenet_weights

__all__ = [
    "BACKBONES",
    "FACTORIES",
    "SPLITS",
    "DDANModel",
    "Split",
    "build_named",
    "convert_official",
    "ddan_backbone",
    "ddan_mobilenetv2",
    "load_imagenet_weights",
    "load_model",
    "split_backbone",
]
