"""ImageNet weights for the MobileNetV2 of DDAN, with every tensor of the file accounted for."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import MobileNet_V2_Weights

from .ddan_model import DDANModel

URL = MobileNet_V2_Weights.IMAGENET1K_V1.url
#: File names of torch hub end in the first digits of the file's SHA-256.
SHA256_PREFIX = Path(URL).stem.rpartition("-")[2]

STEM_STATISTICS = frozenset(
    f"features.0.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
)
WITHOUT = (
    "write pretrained=False (model.pretrained False in the configuration) to start from random "
    "weights"
)


def cached_file() -> Path:
    """Path of torchvision's weights in the torch hub cache, whether the file exists or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(URL).name


def _download(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(file), hash_prefix=SHA256_PREFIX)
    except (OSError, RuntimeError) as error:  # RuntimeError: the content has another hash
        raise FileNotFoundError(
            f"no ImageNet weights: downloading {URL} failed ({error}); put that file at {file}, "
            f"or {WITHOUT}"
        ) from error


def _read(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything from the unpickler
        raise RuntimeError(
            f"{file} is not a readable file of weights ({type(error).__name__}); delete it to have "
            "it downloaded again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise RuntimeError(f"{file} holds no state dict; delete it to have it downloaded again")
    return state


def _name_in_model(name: str) -> str:
    """torchvision's ``features.<i>.x`` as a key of :class:`DDANModel`."""
    head, _, rest = name.partition(".")
    if head != "features":
        return name
    return f"mapping.{rest}" if rest.startswith("18.") else f"encoder.{rest}"


def load_imagenet_weights(model: DDANModel) -> None:
    """Loads torchvision's MobileNetV2 (``IMAGENET1K_V1``) into encoder and mapping.

    A file in the torch hub cache is used as it is; otherwise it is downloaded there, and its hash
    checked. torchvision never checks the hash of a cached file; here one of another hash
    gives a warning, for it may be another network under the same name. What became of each tensor
    of the file is printed.

    Args:
        model: A model of :func:`ddan_mobilenetv2` of width 1.0; ``neck`` and ``classifier`` are
            left alone. The instance norms after the blocks keep their scale 1 and offset 0.

    Raises:
        FileNotFoundError: The file is not cached and cannot be downloaded.
        RuntimeError: The file is unreadable, does not cover a backbone tensor of the model, or has
            a tensor that should have a counterpart and has none. The model is then unchanged.
    """
    file = cached_file()
    if not file.is_file():
        _download(file)
    state = _read(file)
    own = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(("encoder.", "mapping."))
    }
    matched = {
        new: tensor
        for name, tensor in state.items()
        if (new := _name_in_model(name)) in own and own[new].shape == tensor.shape
    }
    added = {name for name in own if ".instance_norm." in name}
    missing = own.keys() - matched.keys() - added
    not_needed = [name for name in state if _name_in_model(name) not in matched]
    unknown = {n for n in not_needed if not n.startswith("classifier.")} - STEM_STATISTICS
    if missing or unknown:
        names = ", ".join(sorted(missing | unknown)[:3])
        raise RuntimeError(
            f"{file} does not fit this MobileNetV2: {len(missing)} tensors of the model and "
            f"{len(unknown)} of the file are without a counterpart of the same shape ({names}, ...)"
        )
    model.load_state_dict(matched, strict=False)
    model.weights_from = "ImageNet"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if not sha256.startswith(SHA256_PREFIX):
        warnings.warn(
            f"{file} has SHA-256 {sha256[:8]}..., not {SHA256_PREFIX}...: it is not "
            "torchvision's file of that name",
            stacklevel=2,
        )
    of_norms = f"; {len(added)} of instance norms that the file does not have" if added else ""
    print(
        f"ImageNet weights: {len(matched)} tensors loaded from {file}{of_norms}; "
        f"{len(not_needed)} not needed: {', '.join(not_needed)}"
    )
