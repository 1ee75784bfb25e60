"""Measure how far apart the rendered domains are, with a small network trained from scratch.

A narrow MobileNetV2 learns the five sources (cross-entropy and batch-hard triplet loss). Printed:
rank-1 and mAP on new people of every source and on every target, rank-1 of raw pixels, and how
well a linear classifier tells the sources apart from the features of people it was not fitted on.

    python tools/measure_domain_gap.py --steps 700
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
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from ddan_torchreid.data.rendered import SOURCES, TARGETS, VALIDATION, draw_domain, read_domain

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
Split = tuple[Tensor, np.ndarray, np.ndarray]


def load(items: list[tuple[str, int, int]]) -> Split:
    """Images (n, 3, H, W) uint8, pids (n,) and camera ids (n,)."""
    images = np.stack([cv2.imread(path)[:, :, ::-1] for path, _, _ in items])
    pids, cameras = (np.array([item[k] for item in items]) for k in (1, 2))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), pids, cameras


class Network(nn.Module):
    """MobileNetV2, global pooling, BN neck and classifier."""

    def __init__(self, num_classes: int, width: float) -> None:
        super().__init__()
        self.features = mobilenet_v2(width_mult=width).features
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU
        dim = self.features[-1].out_channels
        self.neck = nn.BatchNorm1d(dim)
        self.classifier = nn.Linear(dim, num_classes, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) uint8 -> pooled features, neck features, logits."""
        pixels = (images.float() / 255 - MEAN) / STD
        pooled = self.features(pixels.contiguous(memory_format=torch.channels_last)).mean((2, 3))
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


def train(images: Tensor, labels: np.ndarray, steps: int, width: float, seed: int) -> Network:
    """Train on batches of 16 identities x 4 images."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(int(labels.max()) + 1, width)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
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


def scores(query: Tensor, gallery: Tensor, q: Split, g: Split) -> tuple[float, float]:
    """Rank-1 and mAP in percent; images of the query's own camera do not count."""
    distances = torch.cdist(query, gallery).numpy()
    cmc, mean_ap = torchreid.metrics.evaluate_rank(
        distances, q[1], g[1], q[2], g[2], max_rank=10, use_cython=False
    )
    return 100 * float(cmc[0]), 100 * float(mean_ap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="data root to draw into; default: temporary")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--width", type=float, default=0.35, help="width multiplier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)

    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or Path(temporary)
        names = (*SOURCES, *VALIDATION, *TARGETS)
        data = {
            name: [load(items) for items in read_domain(draw_domain(name, root))] for name in names
        }
    images, labels = [], []
    for name in SOURCES:
        images.append(data[name][0][0])
        labels.append(data[name][0][1] + (labels[-1].max() + 1 if labels else 0))
    network = train(
        torch.cat(images), np.concatenate(labels), options.steps, options.width, options.seed
    )

    print(f"{'domain':20s} {'queries':>7s} {'rank-1':>7s} {'mAP':>6s} {'pixels rank-1':>14s}")
    probe_features, probe_domains, probe_fit = [], [], []
    for name in names:
        _, query, gallery = data[name]
        found = [neck_features(network, split[0]) for split in (query, gallery)]
        rank1, mean_ap = scores(*found, query, gallery)
        raw, _ = scores(*(pixel_features(split[0]) for split in (query, gallery)), query, gallery)
        print(f"{name:20s} {len(query[1]):7d} {rank1:7.1f} {mean_ap:6.1f} {raw:14.1f}")
        if name in SOURCES:
            probe_features.append(torch.cat(found).numpy())
            pids = np.concatenate([query[1], gallery[1]])
            probe_domains.append(np.full(len(pids), SOURCES.index(name)))
            probe_fit.append(pids % 2 == 0)
    features, domains = np.concatenate(probe_features), np.concatenate(probe_domains)
    fit = np.concatenate(probe_fit)
    scaler = StandardScaler().fit(features[fit])
    probe = LogisticRegression(max_iter=500).fit(scaler.transform(features[fit]), domains[fit])
    accuracy = 100 * probe.score(scaler.transform(features[~fit]), domains[~fit])
    print(f"linear probe, five sources, new people: {accuracy:.1f} % right")


if __name__ == "__main__":
    main()
