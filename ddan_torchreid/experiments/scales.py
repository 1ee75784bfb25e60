"""How large an experiment on the drawn domains is: people, images, targets and schedule."""

from __future__ import annotations

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..data import rendered
from ..data.rendered.dataset import FORMAT_VERSION


@dataclasses.dataclass(frozen=True)
class Scale:
    """What ``--scale`` stands for.

    Attributes:
        people: factor on the training identities of each domain.
        test_people: factor on the query and gallery identities of each domain.
        images_per_camera: training images of an identity in each camera.
        size: height and width of the drawn images.
        changes: configuration, over ``configs/rendered.yaml``.
    """

    people: float
    test_people: float
    images_per_camera: int
    size: tuple[int, int]
    changes: dict[str, Any]

    def drawing(self, name: str) -> dict[str, Any]:
        """Arguments of ``draw_domain`` for a domain."""
        domain = rendered.find_domain(name)
        return {
            "identities": max(4, round(self.people * domain.identities)),
            "test_identities": max(4, round(self.test_people * domain.test_identities)),
            "images_per_camera": self.images_per_camera,
            "height": self.size[0],
            "width": self.size[1],
        }

    def described(self) -> dict[str, Any]:
        """What of it changes the data, for the digest of a run."""
        return {
            "people": self.people,
            "test_people": self.test_people,
            "images_per_camera": self.images_per_camera,
            "size": list(self.size),
            "format": FORMAT_VERSION,
        }


# Over four targets an interval hangs on four places; the larger scales have eight.
_ALL_TARGETS = [*rendered.TARGETS, *rendered.MORE_TARGETS]

SCALES = {
    # Seconds a run; it learns nothing.
    "tiny": Scale(
        0.1, 0.06, 2, (32, 16),
        {
            "model.name": "ddan_mobilenetv2_x0_35", "data.height": 32, "data.width": 16,
            "data.workers": 0, "train.batch_size": 24, "train.max_epoch": 2, "ddan.top_k": 3,
            "ddan.similarity_start_epoch": 1,
        },
    ),
    # What `ddan-torchreid demo` trains: minutes a run on two CPU cores.
    "small": Scale(1, 1, 4, (128, 64), {}),
    # 1,360 people and 14,720 images of the sources, eight targets of 576 to 864 queries.
    "medium": Scale(
        4, 4, 4, (128, 64), {"data.targets": _ALL_TARGETS, "train.max_epoch": 24}
    ),
    # For a GPU: 1,700 people and 46,000 images of the sources, eight targets, the paper's network
    # and image size.
    "large": Scale(
        5, 6, 10, (256, 128),
        {
            "model.name": "ddan_mobilenetv2_x1_0", "data.height": 256, "data.width": 128,
            "data.workers": 8, "data.targets": _ALL_TARGETS, "train.max_epoch": 40,
        },
    ),
}  # fmt: skip


def draw(scale: Scale, names: list[str], root: str | Path, jobs: int = 1) -> None:
    """Draws the domains below a data root, unless they are there already.

    Args:
        scale: of the domains.
        names: of the domains.
        root: data root.
        jobs: domains drawn at the same time, in processes of their own.

    Raises:
        FileExistsError: a domain was drawn there with other numbers.
    """
    missing = [name for name in names if not (Path(root) / rendered.FOLDER / name).exists()]
    apart = missing if jobs > 1 else []  # a process takes seconds to start
    for name in names:
        if name not in apart:
            rendered.draw_domain(name, root, **scale.drawing(name))
    if not apart:
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as processes:
        domains = [
            processes.submit(
                rendered.draw_domain, name, root, progress=False, **scale.drawing(name)
            )
            for name in apart
        ]
        drawn = tqdm(as_completed(domains), "drawing domains", len(domains), disable=None)
        for domain in drawn:
            domain.result()
