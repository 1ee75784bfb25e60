"""The images of the study in one small file: resized, re-encoded, sources capped per person.

``write`` makes it where the photographs are, ``unpack`` lays it out again as the package reads it.
The photographs may not be passed on, so neither the pack nor what is unpacked is ever committed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from ddan_torchreid.data.loose_images import read_pixels
from ddan_torchreid.data.pixels import resize
from ddan_torchreid.models.weights import cached_file

from .. import photographs

HEIGHT, WIDTH = (photographs.BASE[f"data.{side}"] for side in ("height", "width"))
IMAGES_PER_PERSON = 8
QUALITY = 72
MARKET = "market1501/Market-1501-v15.09.15"
TARGETS = (
    "viper/VIPeR/cam_a", "viper/VIPeR/cam_b", "grid/underground_reid/probe",
    "grid/underground_reid/gallery", "prid2011/prid_2011/single_shot/cam_a",
    "prid2011/prid_2011/single_shot/cam_b", "ilids/i-LIDS_Pedestrian/Persons",
)  # fmt: skip
PLAIN = ("grid/underground_reid/features_and_partitions.mat",)


class Shot(NamedTuple):
    """An image below the data root, and who is on it in which camera."""

    path: str
    person: str
    camera: str


def capped(shots: Iterable[Shot], most: int = IMAGES_PER_PERSON) -> list[Shot]:
    """At most so many images of each person, taken from its cameras in turn.

    Within a camera they come in the order of the SHA-256 of their paths.
    """
    views: dict[str, dict[str, list[Shot]]] = defaultdict(lambda: defaultdict(list))
    for shot in sorted(shots, key=lambda shot: hashlib.sha256(shot.path.encode()).hexdigest()):
        views[shot.person][shot.camera].append(shot)
    chosen = []
    for cameras in views.values():
        turns = zip_longest(*(cameras[camera] for camera in sorted(cameras)))
        chosen += [shot for turn in turns for shot in turn if shot is not None][:most]
    return sorted(chosen)


def _market(root: Path, part: str) -> list[Shot]:
    shots = []
    for file in (root / MARKET / part).glob("*.jpg"):
        found = re.match(r"(\d{4})_c(\d)", file.name)
        if found and found[1] != "0000":  # neither junk nor background, which nobody trains on
            shots.append(Shot(f"{MARKET}/{part}/{file.name}", found[1], found[2]))
    return shots


def sources(root: Path) -> tuple[list[Shot], dict[str, list[Shot]]]:
    """Images of Market-1501 and CUHK01, and by name those of the sources with a CSV file."""
    train = capped(_market(root, "bounding_box_train"))
    # Half of a test person's images are queries, so that there is something to rank.
    query = capped(_market(root, "query"), IMAGES_PER_PERSON // 2)
    gallery = capped(_market(root, "bounding_box_test"), IMAGES_PER_PERSON // 2)
    campus = [
        Shot(f"cuhk01/campus/{file.name}", file.name[:4], "1" if file.name[4:7] < "003" else "2")
        for file in (root / "cuhk01/campus").glob("*.png")
    ]
    own = {name: capped(_listed(root, name)) for name in photographs.OWN}
    return train + query + gallery + capped(campus), own


def _listed(root: Path, name: str) -> list[Shot]:
    with (root / f"own/{name}.csv").open(newline="", encoding="utf-8") as file:
        return [Shot(f"own/{r['path']}", r["pid"], r["camid"]) for r in csv.DictReader(file)]


def _csv(shots: Iterable[Shot]) -> str:
    text = io.StringIO()
    rows = [(s.path.removeprefix("own/"), s.person, s.camera) for s in shots]
    csv.writer(text).writerows([("path", "pid", "camid"), *rows])
    return text.getvalue()


def _encoded(path: Path, quality: int) -> bytes:
    small = Image.fromarray(resize(read_pixels(str(path)), HEIGHT, WIDTH))
    content = io.BytesIO()
    small.save(content, "WEBP", quality=quality, method=6)
    return content.getvalue()


def write(root: Path, file: Path, quality: int = QUALITY) -> None:
    """Writes the pack of a data root; ``TORCH_HOME`` says where the ImageNet weights are."""
    plain, own = sources(root)
    own |= {name: _listed(root, name) for name in photographs.VALIDATION}
    texts = {f"own/{name}.csv": _csv(shots) for name, shots in own.items()}
    paths = [shot.path for shots in (plain, *own.values()) for shot in shots]
    for folder in TARGETS:
        paths += [f"{folder}/{each.name}" for each in (root / folder).iterdir() if each.is_file()]
    paths.sort()
    with ProcessPoolExecutor() as pool:
        files = (root / path for path in paths)
        images = list(pool.map(partial(_encoded, quality=quality), files, chunksize=256))
    state = torch.load(cached_file(), map_location="cpu", weights_only=True)
    features = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    weights = io.BytesIO()
    torch.save(features, weights)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr(
            "index.json", json.dumps([[p, len(i)] for p, i in zip(paths, images, strict=True)])
        )
        pack.writestr("images", b"".join(images), zipfile.ZIP_STORED)
        pack.writestr(f"torch_home/hub/checkpoints/{cached_file().name}", weights.getvalue())
        for name, text in texts.items():
            pack.writestr(name, text)
        for name in PLAIN:
            pack.writestr(name, (root / name).read_bytes())
    print(f"{file}: {len(paths)} images of {sum(map(len, images)) / len(images):.0f} bytes, "
          f"{file.stat().st_size / 2**20:.1f} MiB in all")  # fmt: skip


def unpack(file: Path, root: Path, processes: int) -> None:
    """Lays the pack out under a data root, images decoded: only reading them is left to do.

    A file keeps its name whatever its format is; the package's readers look at the content.
    """
    with zipfile.ZipFile(file) as pack:
        index = json.loads(pack.read("index.json"))
        content = pack.read("images")
        for name in pack.namelist():
            if name not in ("index.json", "images"):
                pack.extract(name, root)
    for folder in {str(Path(path).parent) for path, _ in index}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    jobs, start = [], 0
    for path, size in index:
        jobs.append((root / path, content[start : start + size]))
        start += size
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_decode, jobs, chunksize=512))


def _decode(job: tuple[Path, bytes]) -> None:
    path, content = job
    with Image.open(io.BytesIO(content)) as image:
        image.convert("RGB").save(path, "BMP")
