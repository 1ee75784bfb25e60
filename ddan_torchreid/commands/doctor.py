"""``ddan-torchreid doctor``: what is installed and at hand, and what is missing for training."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torchreid

from ..data.datasets.layouts import missing
from ..data.datasets.loading import obstacles
from ..data.datasets.published import DATASETS
from ..integration import autoload
from ..models import weights
from ..version import __version__

DEFAULT_ROOT = "reid-data"
# CPython's issue 112275: until this version a forked process could wait for a lock that a thread
# of its parent held. The threads of several processes' communication met it here, once.
FORKS_SAFELY = (3, 11, 10)
# Name for pip -> module to import.
REQUIRED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "scipy": "scipy",
    "POT": "ot",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "tensorboard": "torch.utils.tensorboard",
    "yacs": "yacs",
    "PyYAML": "yaml",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "gdown": "gdown",
}
OPTIONAL = {
    "h5py": "reads CUHK03",
    "imageio": "reads CUHK03",
    "onnx": "exports to ONNX",
    "onnxruntime": "checks the export to ONNX",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flag."""
    parser.add_argument(
        "--root", help=f"data root that must hold a dataset; {DEFAULT_ROOT} is looked into anyway"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints the state of the environment; returns 0 if training can start, 1 otherwise.

    Packages that do not import, a GPU that does not compute and a ``--root`` without any dataset
    keep training from starting. ImageNet weights that are not cached do not: they are downloaded.
    """
    print(f"ddan-torchreid {__version__}")
    obstacles = [*_packages(), *_gpus()]
    _weights()
    obstacles += _datasets(arguments.root)
    if obstacles:
        print("\ntraining cannot start yet:")
        for obstacle in obstacles:
            print(f"  - {obstacle}")
        return 1
    print("\ntraining can start")
    return 0


def _packages() -> Iterator[str]:
    print("\npackages")
    _line("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    if sys.version_info < FORKS_SAFELY:
        _line("", "may hang, rarely, as it starts loading workers: use 3.11.10 or later")
    # PyPI's torchreid keeps its packages in torchreid.reid.
    layout = "PyPI" if torchreid.data.__name__ == "torchreid.reid.data" else "GitHub"
    place = os.path.dirname(str(torchreid.__file__))
    _line("torchreid", f"{torchreid.__version__}, {layout} layout, {place}")
    _line("  autoload", f"{autoload.status()} (ddan-torchreid autoload --help)")
    for name, module in REQUIRED.items():
        version, error = _version(name, module)
        _line(name, version or error)
        if error:
            yield f"{name}: {error}; run: pip install {name}"
    for name, use in OPTIONAL.items():
        version, error = _version(name, name)
        _line(name, version or f"{error} ({use}; optional)")


def _version(name: str, module: str) -> tuple[str, str]:
    """The version of a package, or what is wrong with it."""
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        return "", "not installed" if error.name in (module, None) else f"{error.name} is missing"
    except Exception as error:  # a damaged or ill-matched package may raise anything
        return "", f"does not import ({' '.join(str(error).split())})"
    version = getattr(imported, "__version__", None)
    try:
        return str(version or importlib.metadata.version(name)), ""
    except importlib.metadata.PackageNotFoundError:
        return "installed, version unknown", ""


def _gpus() -> Iterator[str]:
    print("\ndevices")
    _line("CPU", f"{os.cpu_count()} cores")
    if not torch.cuda.is_available():
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        _line("GPU", f"none that torch, built {built}, can use; training runs on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        _line(f"GPU {index}", f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB")
        try:
            torch.ones(1, device=f"cuda:{index}").add(1).item()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            yield f"GPU {index} does not compute ({reason}); write use_gpu False to go without"


def _weights() -> None:
    print("\nImageNet weights")
    file = weights.cached_file()
    if not file.is_file():
        _line("MobileNetV2", "not cached; training downloads them once")
        _line("", f"without a network: save {weights.URL}")
        _line("", f"as {file}, or write model.pretrained False")
        return
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    remark = "" if digest.startswith(weights.SHA256_PREFIX) else ", not torchvision's: delete it"
    _line("MobileNetV2", f"cached, {file}{remark}")


def _line(name: str, text: str) -> None:
    print(f"  {name:<24}{text}")


def _datasets(asked: str | None) -> Iterator[str]:
    root = Path(os.path.abspath(asked or DEFAULT_ROOT))
    print(f"\ndatasets under {root}{'' if root.is_dir() else ' (no such folder)'}")
    found = []
    for name, dataset in DATASETS.items():
        absent = missing(name, root)
        source = dataset.source
        if source.startswith("ddan-torchreid "):
            source += f" --root {root}"
        if not absent:
            found.append(name)
            obstacle = next(obstacles(name, root), None)
            _line(name, f"found, but {obstacle.text}" if obstacle else "found")
        elif (root / dataset.folder).is_dir():
            _line(name, f"incomplete: there is no {absent[0]}")
        else:
            _line(name, f"missing: {source}")
    if found:
        print(f"  ddan-torchreid check-data --root {root} looks into what is found")
    elif asked:
        yield (
            f"there is no dataset under {root}; give another --root, or fetch one "
            f"(ddan-torchreid download cuhksysu --root {root})"
        )
