"""Changes to a built network: last stride, MixStyle, pooling and the head of strong baselines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .layers import GlobalAveragePool

MIXED = (1, 3)
"""Parts of MobileNetV2's encoder behind which MixStyle works: maps of half and a quarter."""


class GeM(nn.Module):
    """Generalised mean over height and width, with a learnt exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, 1, 1)."""
        powers = maps.float().clamp(min=1e-6).pow(self.p)
        return powers.mean((2, 3), keepdim=True).pow(1 / self.p)


def mix_style(x: Tensor, probability: float) -> Tensor:
    """Mixes the channel statistics of images with those of others (Zhou et al., ICLR 2021)."""
    batch = len(x)
    deviation, mean = torch.std_mean(x.detach().float(), (2, 3), keepdim=True, correction=0)
    deviation = deviation + 1e-6
    other = torch.rand(batch, device=x.device).argsort()
    parts = torch._standard_gamma(x.new_full((2, batch, 1, 1, 1), 0.1, dtype=torch.float32))
    share = parts[0] / (parts.sum(0) + 1e-12)
    share = torch.where(torch.rand(batch, 1, 1, 1, device=x.device) < probability, share, 1.0)
    mixed_mean = share * mean + (1 - share) * mean[other]
    mixed_deviation = share * deviation + (1 - share) * deviation[other]
    return ((x - mean) / deviation * mixed_deviation + mixed_mean).to(x.dtype)


class MixedEncoder(nn.Sequential):
    """An encoder with MixStyle behind some of its parts, under the same names of tensors."""

    mixstyle: float

    def forward(self, x: Tensor) -> Tensor:
        for place, layer in enumerate(self):
            x = layer(x)
            if self.training and place in MIXED:
                x = mix_style(x, self.mixstyle)
        return x


def change(model: Any, options: Any) -> None:
    """Makes the changes that the options ask for."""
    if options.last_stride == 1:
        strided = [m for m in model.encoder.modules() if getattr(m, "stride", None) == (2, 2)]
        strided[-1].stride = (1, 1)
    if options.mixstyle:
        model.encoder.__class__ = MixedEncoder
        model.encoder.mixstyle = options.mixstyle
    if options.pooling == "gem":
        for name, child in model.mapping.named_children():
            if isinstance(child, GlobalAveragePool):
                setattr(model.mapping, name, GeM())
    if options.head in ("bnneck", "default init"):
        model.neck.register_parameter("bias", None)
        model.classifier = nn.Linear(model.feature_dim, model.num_classes, bias=False)
        if options.head == "bnneck":
            nn.init.normal_(model.classifier.weight, std=0.001)
    if options.head == "small init":
        nn.init.normal_(model.classifier.weight, std=0.001)
        nn.init.zeros_(model.classifier.bias)
