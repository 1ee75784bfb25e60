"""Data roots of miniatures, and torchreid's view of them."""

import torchreid
from PIL import Image

from tests import miniatures


def write(name, root):
    getattr(miniatures, f"write_{name}", write_cuhk01)(root)


def write_cuhk01(root):
    """Four images of each of six persons."""
    folder = root / "cuhk01" / "campus"
    folder.mkdir(parents=True)
    for person in range(1, 7):
        for image in range(1, 5):
            path = folder / f"{person:04d}{image:03d}.png"
            Image.fromarray(miniatures.pixels(person, image)).save(path)


def build(name, root, **options):
    return torchreid.data.datasets.init_image_dataset(
        name, root=str(root), verbose=False, **options
    )


def manager(root, sources, **options):
    options = {"workers": 0, "use_gpu": False, "batch_size_train": 4} | options
    return torchreid.data.ImageDataManager(root=str(root), sources=sources, **options)


def tree(root):
    """Every file and folder, with the time when a file was written."""
    return {
        str(path.relative_to(root)): path.is_file() and path.stat().st_mtime_ns
        for path in root.rglob("*")
    }
