"""Conversion of the checkpoint that the authors released.

Their file is a dict of four state dicts and an epoch. Encoder and mapping network are two whole
MobileNetV2 of torchvision, of which one uses ``features[0:18]`` and the other ``features[18]``::

    released                                              converted
    Encoder.base.features.<i>....     (i = 0..17)         model          encoder.<i>....
    Transfer.base.features.18....                         model          mapping.18....
    Transfer.bn...., Transfer.classifier....              model          neck...., classifier....
    CamDis.feat...., CamDis.bn...., CamDis.classifier.... discriminator  layers.{0,1,2}....
    InvNet.em                                             identity_pool  representations
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..method.discriminator import DomainDiscriminator
from ..method.identity_pool import IdentityPool
from ..system.files import expanded
from ..system.state_files import read, write
from .mobilenetv2 import ddan_mobilenetv2

MODEL_NAME = "ddan_mobilenetv2_x1_0"
RELEASE_PARTS = frozenset({"Encoder", "Transfer", "CamDis", "InvNet"})

#: Beginning of a converted name (file, then tensor): beginning of the released one.
RELEASED_NAMES = {
    "model.encoder.": "Encoder.base.features.",
    "model.mapping.": "Transfer.base.features.",
    "model.neck.": "Transfer.bn.",
    "model.classifier.": "Transfer.classifier.",
    "discriminator.layers.0.": "CamDis.feat.",
    "discriminator.layers.1.": "CamDis.bn.",
    "discriminator.layers.2.": "CamDis.classifier.",
    "identity_pool.representations": "InvNet.em",
}
#: The same for the half of each MobileNetV2 that no feature passes through, with its pattern.
UNUSED_NAMES = {
    "model.encoder.": ("Transfer.base.features.", "Transfer.base.features.0-17.*"),
    "model.mapping.": ("Encoder.base.features.", "Encoder.base.features.18.*"),
}

#: Identities of each source in the order of the release's labels. It numbers its domains in another
#: order than its labels, which is why its own table of domains is wrong for 660 identities.
RELEASED_IDENTITIES = {
    "market1501": 1501,
    "dukemtmcreid": 1812,
    "cuhk03": 1467,
    "cuhk02": 1816,
    "cuhksysu": 11934,
}
CENTRAL_DOMAIN = "cuhksysu"
#: Compared on resuming: rows are in the order of the authors' files, which no run here has.
LABELS = "those of the authors' release"


def convert_official(path: str | Path, out: str | Path) -> str:
    """Writes the authors' checkpoint as checkpoints of this package.

    Discriminator and ID pool are written to ``discriminator/<name>`` and ``identity_pool/<name>``
    beside the model's ``<name>``; where that lies in a folder ``model``, beside that folder, as in
    a training run. Every file loads with ``torch.load(weights_only=True)``, and the model's with
    torchreid's ``load_pretrained_weights`` and ``FeatureExtractor``. An identity of the pool counts
    as seen where its released representation is not zero, and the next epoch mixes that in. The
    file of a pool of another size than the release's lacks ``identity_domains``.

    Args:
        path: The released file, in either of PyTorch's formats, with or without ``module.``.
        out: Where the model's checkpoint goes.

    Returns:
        One line: how many tensors went where and how many were not needed, the epoch, and the
        number of identities.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: ``path`` is no such checkpoint: it cannot be read without running code that is
            in it, or a tensor is missing, unknown or of another shape. Nothing is written then.
    """
    path, out = Path(expanded(path)), Path(expanded(out))
    if out.exists() and path.exists() and out.samefile(path):
        raise ValueError(f"{out} is the file to convert; choose another name for the result")
    released, epoch = _flatten(read(path), path)
    classifier = released.get("Transfer.classifier.weight")
    identities = 1 if classifier is None or classifier.dim() == 0 else len(classifier)
    shapes = _shapes(identities)
    names, unused = _names(shapes)
    _check(path, released, {theirs: shapes[ours] for theirs, ours in names.items()}, unused)

    states: dict[str, dict[str, Tensor]] = {"model": {}, "discriminator": {}, "identity_pool": {}}
    for theirs, ours in names.items():
        file, _, key = ours.partition(".")
        states[file][key] = released[theirs]
    converted = {file: len(state) for file, state in states.items()}
    domains_known = identities == sum(RELEASED_IDENTITIES.values())
    representations = states["identity_pool"]["representations"]
    states["identity_pool"] = _pool_state(representations, domains_known)

    contents: dict[str, dict[str, Any]] = {
        file: {"state_dict": state, "epoch": epoch} for file, state in states.items()
    }
    details = {"model": MODEL_NAME, "identities": identities, "labels": LABELS}
    if domains_known:
        details |= {"sources": list(RELEASED_IDENTITIES), "central_domain": CENTRAL_DOMAIN}
    contents["model"]["ddan"] = details
    folder = out.parent.parent if out.parent.name == "model" else out.parent
    files = {file: folder / file / out.name for file in states} | {"model": out}
    for file in ("identity_pool", "discriminator", "model"):  # where the model is, the others are
        write(contents[file], files[file])

    left = Counter(unused[name] for name in released if name in unused)
    taken = ", ".join(f"{count} to {file}" for file, count in converted.items())
    not_needed = ", ".join(f"{count} {pattern}" for pattern, count in left.items())
    text = (
        f"{path}: {sum(converted.values())} tensors converted ({taken}), "
        f"{left.total()} not needed ({not_needed}); epoch {epoch}, {identities} identities"
    )
    if not domains_known:
        text += (
            f"; not the {sum(RELEASED_IDENTITIES.values())} of the release, so the pool has no "
            "identity_domains"
        )
    return text


def _flatten(state: dict[str, Any], path: Path) -> tuple[dict[str, Tensor], int]:
    """Tensors by ``<part>.<name>``, without ``module.`` prefixes, and the epoch."""
    expected = {*RELEASE_PARTS, "epoch"}
    if state.keys() != expected or not isinstance(state["epoch"], int):
        found = ", ".join(sorted(map(str, state))[:5]) or "nothing"
        raise ValueError(
            f"{path} is not the authors' checkpoint: it should hold {', '.join(sorted(expected))} "
            f"and holds {found}"
        )
    flat: dict[str, Tensor] = {}
    for part in sorted(RELEASE_PARTS):
        content = state[part]
        if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
            raise ValueError(f"{path} is not the authors' checkpoint: {part} is no state dict")
        flat |= {f"{part}.{key.removeprefix('module.')}": value for key, value in content.items()}
    return flat, state["epoch"]


def _check(
    path: Path, released: dict[str, Tensor], needed: dict[str, torch.Size], unused: Iterable[str]
) -> None:
    wrong = {
        "unknown": released.keys() - needed.keys() - set(unused),
        "missing": needed.keys() - released.keys(),
        "of another shape": {
            name for name in needed.keys() & released.keys() if released[name].shape != needed[name]
        },
    }
    for problem, names in wrong.items():
        if names:
            raise ValueError(
                f"{path} is not the authors' checkpoint: tensors {problem} ({len(names)}), "
                f"such as {min(names)}"
            )


def _shapes(identities: int) -> dict[str, torch.Size]:
    """Shapes by converted name: the file, a dot, and the name of the tensor in it."""
    with torch.device("meta"):
        model = ddan_mobilenetv2(identities, pretrained=False)
        discriminator = DomainDiscriminator(model.feature_dim)
    shapes = {
        f"{file}.{key}": value.shape
        for file, module in (("model", model), ("discriminator", discriminator))
        for key, value in module.state_dict().items()
    }
    shapes["identity_pool.representations"] = torch.Size([identities, model.feature_dim])
    return shapes


def _names(converted: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Released names with the converted one, and those of tensors not needed with a pattern."""
    names: dict[str, str] = {}
    unused: dict[str, str] = {}
    for name in converted:
        start = next(start for start in RELEASED_NAMES if name.startswith(start))
        rest = name.removeprefix(start)
        names[RELEASED_NAMES[start] + rest] = name
        if start in UNUSED_NAMES:
            released_start, pattern = UNUSED_NAMES[start]
            unused[released_start + rest] = pattern
    for part in ("Encoder", "Transfer"):  # of ImageNet's 1000 classes
        for kind in ("weight", "bias"):
            unused[f"{part}.base.classifier.1.{kind}"] = f"{part}.base.classifier.*"
    return names, unused


def _pool_state(representations: Tensor, domains_known: bool) -> dict[str, Tensor]:
    """State of an ID pool between two epochs."""
    domains = torch.zeros(len(representations), dtype=torch.int64)
    if domains_known:
        counts = torch.tensor(list(RELEASED_IDENTITIES.values()))
        domains = torch.arange(len(counts)).repeat_interleave(counts)
    pool = IdentityPool(domains, representations.shape[1], central_domain=None)
    pool.representations.copy_(representations)
    pool.seen.copy_(representations.ne(0).any(dim=1))
    pool.start_epoch()
    state = pool.state_dict()
    if not domains_known:
        del state["identity_domains"]
    return state
