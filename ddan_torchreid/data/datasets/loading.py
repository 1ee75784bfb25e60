"""torchreid's loading of a dataset: a failure leaves nothing behind, a moved root just works."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .published import DATASETS
from .split_files import SPLIT_FILES, UNPACKED, relocate


def load(original: Callable[..., Any], name: str, **options: Any) -> Any:
    """A dataset of torchreid; a published one leads to the present data root.

    Its own class writes split files and unpacks images before it fails, and would believe them
    the next time; they are removed.

    Args:
        original: torchreid's ``init_image_dataset``.
        name: of the dataset.
        **options: the dataset's, of which ``root`` is used here.
    """
    if name not in DATASETS:
        return original(name, **options)
    root = os.path.abspath(os.path.expanduser(options.get("root", "")))
    folder = Path(root, DATASETS[name].folder)
    derived = [folder / each for each in (*SPLIT_FILES.get(name, ()), *UNPACKED.get(name, ()))]
    new = [path for path in (*derived, folder) if not path.exists()]
    try:
        dataset = original(name, **options)
    except BaseException:
        for path in new:
            if path.is_file():
                path.unlink()
            elif path == folder:
                with contextlib.suppress(OSError):  # it holds more, or was not made
                    path.rmdir()
            else:
                shutil.rmtree(path, ignore_errors=True)
        raise
    relocate(name, dataset)
    return dataset
