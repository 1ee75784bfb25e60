"""Measure how far apart the rendered domains are, with a small network trained from scratch.

The network learns the five sources (cross-entropy and batch-hard triplet loss). Printed: rank-1
and mAP on new people of every source and on every validation and target domain, rank-1 of raw
pixels, how well a linear classifier on the features tells the sources apart for new people, and
the Wasserstein distances between the sources.

    python tools/measure_domain_gap.py --steps 900
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchreid
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from ddan_torchreid.data.rendered import (
    MORE_TARGETS,
    SOURCES,
    TARGETS,
    VALIDATION,
    draw_domain,
    read_domain,
)
from ddan_torchreid.method.central_domain import domain_distances, format_distances

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
Split = tuple[Tensor, np.ndarray, np.ndarray]


def load(items: list[tuple[str, int, int]]) -> Split:
    """Images (n, 3, H, W) uint8, pids (n,) and camera ids (n,)."""
    images = np.stack([np.asarray(Image.open(path)) for path, _, _ in items])
    pids, cameras = (np.array([item[k] for item in items]) for k in (1, 2))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), pids, cameras


def plain_layers() -> nn.Sequential:
    """Five 3x3 convolutions, which learn in a third of the steps that MobileNetV2 needs."""
    widths, strides = (3, 24, 48, 96, 160, 256), (2, 2, 2, 2, 1)
    layers: list[nn.Module] = []
    for width_in, width_out, stride in zip(widths, widths[1:], strides, strict=False):
        layers.append(nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False))
        layers += [nn.BatchNorm2d(width_out), nn.ReLU()]
    return nn.Sequential(*layers)


class Network(nn.Module):
    """Convolutions, global pooling, BN neck and classifier."""

    def __init__(self, kind: str, num_classes: int) -> None:
        super().__init__()
        layers = plain_layers() if kind == "plain" else mobilenet_v2(width_mult=0.35).features
        self.layers = layers.to(memory_format=torch.channels_last)  # twice as fast on a CPU
        dim = 256 if kind == "plain" else 1280
        self.neck = nn.BatchNorm1d(dim)
        self.classifier = nn.Linear(dim, num_classes, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) in 0..255 -> pooled features, neck features, logits."""
        pixels = (images.float() / 255 - MEAN) / STD
        pooled = self.layers(pixels.contiguous(memory_format=torch.channels_last)).mean((2, 3))
        neck = self.neck(pooled)
        return pooled, neck, self.classifier(neck)


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Random flips, shifts and brightness of (B, 3, H, W) uint8 images, one shift per batch."""
    flip = torch.from_numpy(rng.random(len(images)) < 0.5)
    images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
    padded = F.pad(images.float(), (4, 4, 8, 8))
    top, left = rng.integers(0, 17), rng.integers(0, 9)
    shifted = padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]
    gain = torch.from_numpy(rng.uniform(0.75, 1.3, (len(images), 1, 1, 1))).float()
    return (shifted * gain).clamp(0, 255)


def train(images: Tensor, labels: np.ndarray, kind: str, steps: int, seed: int) -> Network:
    """Train on batches of 16 identities x 4 images."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(kind, int(labels.max()) + 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, total_steps=steps, pct_start=0.2
    )
    triplet = torchreid.losses.TripletLoss(margin=0.3)
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    start = time.time()
    for step in range(steps):
        chosen = rng.choice(len(members), 16, replace=False)
        index = np.concatenate([rng.choice(members[k], 4, replace=False) for k in chosen])
        targets = torch.from_numpy(labels[index])
        pooled, _, logits = network(augment(images[index], rng))
        loss = F.cross_entropy(logits, targets) + triplet(F.normalize(pooled), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 100 == 99:
            print(
                f"step {step + 1}: loss {loss.item():.3f}, {time.time() - start:.0f} s", flush=True
            )
    return network.eval()


@torch.no_grad()
def neck_features(network: Network, images: Tensor) -> Tensor:
    """(n, D) L2-normalised features."""
    return torch.cat([F.normalize(network(part)[1]) for part in images.split(256)])


def pixel_features(images: Tensor) -> Tensor:
    """(n, 3 * 32 * 16) pixels of the images made smaller."""
    return F.interpolate(images.float(), (32, 16), mode="area").flatten(1)


def scores(features: Tensor, query: Split, gallery: Split) -> tuple[float, float]:
    """Rank-1 and mAP in percent; images of the query's own camera do not count.

    ``features`` (q + g, D) are those of query, then those of gallery.
    """
    split = len(query[1])
    cmc, mean_ap = torchreid.metrics.evaluate_rank(
        torch.cdist(features[:split], features[split:]).numpy(),
        query[1], gallery[1], query[2], gallery[2],
        max_rank=10, use_cython=False,
    )  # fmt: skip
    return 100 * float(cmc[0]), 100 * float(mean_ap)


def probe_accuracy(fitted: list[np.ndarray], held_out: list[np.ndarray]) -> float:
    """Share of ``held_out`` rows whose domain a linear classifier fitted on ``fitted`` names.

    Both hold one (n, D) array of features per domain.
    """
    labels, truth = (
        np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        for parts in (fitted, held_out)
    )
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    return float(probe.fit(np.concatenate(fitted), labels).score(np.concatenate(held_out), truth))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="data root to draw into; default: temporary")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--network", choices=("plain", "mobilenet"), default="plain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)

    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or Path(temporary)
        names = (*SOURCES, *VALIDATION, *TARGETS, *MORE_TARGETS)
        data = {
            name: [load(items) for items in read_domain(draw_domain(name, root))] for name in names
        }
    images = [data[name][0][0] for name in SOURCES]
    labels: list[np.ndarray] = []
    for name in SOURCES:
        labels.append(data[name][0][1] + (labels[-1].max() + 1 if labels else 0))
    network = train(
        torch.cat(images), np.concatenate(labels), options.network, options.steps, options.seed
    )

    print(f"{'domain':20s} {'queries':>7s} {'rank-1':>7s} {'mAP':>6s} {'pixels rank-1':>14s}")
    features: dict[str, Tensor] = {}
    for name in names:
        _, query, gallery = data[name]
        both = torch.cat([query[0], gallery[0]])
        features[name] = neck_features(network, both)
        rank1, mean_ap = scores(features[name], query, gallery)
        raw, _ = scores(pixel_features(both), query, gallery)
        print(f"{name:20s} {len(query[1]):7d} {rank1:7.1f} {mean_ap:6.1f} {raw:14.1f}")
    fitted = [neck_features(network, part).numpy() for part in images]
    other_images = probe_accuracy([x[::2] for x in fitted], [x[1::2] for x in fitted])
    new_people = probe_accuracy(fitted, [features[name].numpy() for name in SOURCES])
    print(
        f"linear probe, five sources: {100 * other_images:.1f} % right on other images of the "
        f"training people, {100 * new_people:.1f} % on new people"
    )
    sources = {name: features[name] for name in SOURCES}
    print(format_distances(*domain_distances(sources, max_samples=300)))


if __name__ == "__main__":
    main()
