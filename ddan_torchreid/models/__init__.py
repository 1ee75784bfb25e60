"""Networks: the DDAN model, MobileNetV2 with batch norm or IN/BN, the domain discriminator."""

from .ddan_model import LOSSES, DDANModel
from .discriminator import DomainDiscriminator
from .mobilenetv2 import FACTORIES, ddan_mobilenetv2
from .weights import LoadSummary, load_imagenet_weights

__all__ = [
    "FACTORIES",
    "LOSSES",
    "DDANModel",
    "DomainDiscriminator",
    "LoadSummary",
    "ddan_mobilenetv2",
    "load_imagenet_weights",
]
