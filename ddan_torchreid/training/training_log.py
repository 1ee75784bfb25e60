"""What is reported of a training while it runs: a line every few steps, and one for each epoch."""

from __future__ import annotations

from typing import Any

import torchreid

# Term of Eq. 9 -> its name in a line, and what is printed behind it in percent.
TERMS = {
    "loss_id": ("id", "acc"),
    "loss_triplet": ("tri", ""),
    "loss_confusion": ("conf", ""),
    "loss_similarity": ("sim", ""),
    "loss_domain": ("dom", "balanced_acc_domain"),
}
LEGEND = (
    "=> Step lines: seconds a step, and means over the epoch so far of L_IDE (id; in brackets the\n"
    "   accuracy), L_Triplet (tri), L_DA-T (conf), L_SE (sim) and L_DA-D (dom; in brackets the\n"
    "   discriminator's balanced accuracy). TensorBoard has these and more, such as domain shares."
)


class EpochLog:
    """Means over the steps of an engine's epoch."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._means = torchreid.utils.MetricMeter()

    def add(self, summary: dict[str, float], time: float, data: float) -> None:
        """Takes in what a step returned, and its seconds: all, and those of waiting for data."""
        self._means.update({"time": time, "data": data, **summary})

    def line(self) -> str:
        """At most 120 characters at usual values; the gradients, where measured, on another."""
        engine, means = self._engine, {k: each.avg for k, each in self._means.meters.items()}
        batch, batches = engine.batch_idx + 1, engine.num_batches
        left = batches - batch + (engine.max_epoch - engine.epoch - 1) * batches
        parts = [
            f"epoch: [{engine.epoch + 1}/{engine.max_epoch}][{batch}/{batches}]",
            f"{means['time']:.3g} s eta {_duration(means['time'] * left)}",
            f"lr {engine.get_current_lr():.3g}",
        ]
        for key in (key for key in means if key.startswith("loss")):
            name, rate = TERMS.get(key, (key.removeprefix("loss_"), ""))
            parts.append(f"{name} {means[key]:.3f}")
            if rate in means:
                parts.append(f"({means[rate]:.0f}%)")
        if means.get("skipped"):
            parts.append(f"skipped {means['skipped']:.1f}%")
        line = " ".join(parts)
        gradients = [
            f"{TERMS[key.removeprefix('gradient_')][0]} {value:.3g}"
            for key, value in means.items()
            if key.startswith("gradient_")
        ]
        if gradients:
            line += f"\ngradients on the mapping network: {' '.join(gradients)}"
        return line

    def write(self, writer: Any, step: int) -> None:
        """Writes all means, and the learning rate, to TensorBoard under torchreid's names."""
        for name, each in self._means.meters.items():
            writer.add_scalar(f"Train/{name}", each.avg, step)
        writer.add_scalar("Train/lr", self._engine.get_current_lr(), step)


def pool_line(epoch: int, channels: int, identities: int) -> str:
    """What the ID pool is like at the end of an epoch (from 1), with a warning if it has collapsed.

    ``channels`` is what `IdentityPool.distinct_largest_channels` counts.
    """
    channel = "channel" if channels == 1 else "channels"
    line = f"ID pool after epoch {epoch}: {channels} distinct largest {channel} over {identities} "
    line += "identities"
    if channels == 1:
        line += (
            "\nWarning: the ID pool has collapsed: one channel is the largest of every identity, "
            "so L_SE and its\ngradient are zero. Start from ImageNet weights, or try a larger "
            "temperature or a later similarity_start_epoch."
        )
    return line


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{int(seconds) % 60:02d}s"
