"""Makes the weights of the package from a checkpoint: in float16, and without the persons.

    python tools/release_weights.py log/ddan_strong/model/model.pth.tar-100

The file has encoder, mapping and neck, and what an image must look like. Names of identities, the
classifier and the state of the training stay out. Prints its SHA-256, which the model card and
``models/shipped.py`` have, and how far its features of synthetic pedestrians are from those of the
checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import synthetic
import torch
from torch.nn import functional as F

from ddan_torchreid.data.loose_images import read_image
from ddan_torchreid.inference.trained_model import TrainedModel, load_trained_model
from ddan_torchreid.models import shipped
from ddan_torchreid.system.state_files import details, read, unprefixed, write

KEPT = (
    "model", "neck", "height", "width", "norm_mean", "norm_std", "interpolation", "sources", "seed",
)  # fmt: skip


def half(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Encoder, mapping and neck, what is float32 as float16.

    Raises:
        ValueError: a number is too large for float16.
    """
    kept = {key: value for key, value in weights.items() if not key.startswith("classifier.")}
    found = {
        key: value.half() if value.is_floating_point() else value for key, value in kept.items()
    }
    if wide := [key for key, value in found.items() if not value.isfinite().all()]:
        raise ValueError(f"{wide[0]} has numbers that float16 cannot hold")
    return found


def pedestrians(trained: TrainedModel, folder: Path) -> torch.Tensor:
    """Eight synthetic images (8, 3, height, width), the same ones on every machine."""
    domains = synthetic.draw(
        folder, ["snow"], identities=8, images=1, test_identities=0, progress=False
    )
    files = sorted((domains["snow"] / "bounding_box_train").iterdir())[::2]
    return torch.stack([trained.transform(read_image(str(file))) for file in files[:8]])


def features(trained: TrainedModel, images: torch.Tensor) -> torch.Tensor:
    """L2-normalised features (N, D) of images."""
    with torch.no_grad():
        return F.normalize(trained.model(images))


def main(words: list[str] | None = None) -> int:
    """Writes and compares; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=shipped.FILE)
    arguments = parser.parse_args(words)
    state = read(arguments.checkpoint)
    said = {key: value for key, value in details(state).items() if key in KEPT}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write({"state_dict": half(unprefixed(state)), "ddan": said}, arguments.output)
    before, after = map(load_trained_model, (arguments.checkpoint, arguments.output))
    with tempfile.TemporaryDirectory() as folder:
        images = pedestrians(after, Path(folder))
    difference = (features(before, images) - features(after, images)).abs().max()
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size / 2**20:.1f} MiB, SHA-256 {after.sha256}")
    print(f"features differ by {difference:.1e} at the most; {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
