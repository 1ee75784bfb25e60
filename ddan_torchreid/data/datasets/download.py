"""Downloads of what the authors' README links: CUHK-SYSU's crops, i-LIDS, the trained weights.

An archive comes from the network, so nothing in it is trusted. One that has a link, a device or a
name that leads outside is refused whole. Of any other only the content of the images is read (no
member is ever extracted to its own path) and written under checked names into a temporary folder,
which becomes the dataset's folder when all are there.
"""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from ...system.files import expanded

#: Saves the Google Drive file of an id (first argument) to a path (second).
Fetch = Callable[[str, str], object]

WEIGHTS = "ddan-weights"
FILE_IDS = {
    "cuhksysu": "1yoQOTp--ULGPct6erCsAQ_hd46hENE5G",
    "ilids": "1_2bYbnH0GIDE6BfjZdtWVQE2nK134ZLi",
    WEIGHTS: "1ece571WcZ3ietIfDqA31yZ1loe0GfBka",
}
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression method that zipfile does not have
)


@dataclass(frozen=True)
class _Dataset:
    """Where torchreid looks for a dataset, and what a whole copy of it holds.

    Attributes:
        folder: Below the data root.
        names: Names of images in the archive, with a group ``person``: torchreid's, and
            person, underscore, camera, which the authors' own code reads.
        readable: Names that torchreid reads; others become person (4 digits), number (3 digits).
        images: Number of images.
        persons: Number of persons.
        max_bytes: Limit for the size of the archive's content.
    """

    folder: str
    names: str
    readable: str
    images: int
    persons: int
    max_bytes: int


DATASETS = {
    "cuhksysu": _Dataset(
        folder="cuhksysu/cropped_images",
        names=r"p?(?P<person>\d+)_(s\d+_|c?)\d\w*\.jpg",
        readable=r".+",
        images=34_574,
        persons=11_934,
        max_bytes=8 * 2**30,
    ),
    "ilids": _Dataset(
        folder="ilids/i-LIDS_Pedestrian/Persons",
        names=r"(?P<person>\d{4}(?=\d{3}\.)|\d+(?=_c?\d))\w+\.jpg",
        readable=r"\d{7}\.jpg",
        images=476,
        persons=119,
        max_bytes=2**30,
    ),
}


class _Member(NamedTuple):
    """An entry of an archive."""

    name: str
    size: int
    is_file: bool
    is_folder: bool
    open: Callable[[], IO[bytes] | None]


def download(name: str, root: str | Path = "reid-data", fetch: Fetch | None = None) -> Path:
    """Downloads a dataset into torchreid's layout, or the weights that the authors released.

    ``'cuhksysu'`` goes to ``cuhksysu/cropped_images``, ``'ilids'`` to
    ``ilids/i-LIDS_Pedestrian/Persons``, ``'ddan-weights'`` to ``downloads/ddan-weights`` (convert
    it with :func:`ddan_torchreid.models.convert_official`). What is there already is not fetched
    again. An archive stays in ``downloads/<name>``; one that was put there by hand is used.

    Args:
        name: 'cuhksysu', 'ilids' or 'ddan-weights'.
        root: torchreid's data root.
        fetch: Saves a Google Drive file; gdown by default.

    Returns:
        The folder of images, or the file of weights.

    Raises:
        ValueError: Unknown name, or an archive that is damaged, malicious or not the whole dataset;
            it stays where it is.
        FileNotFoundError: The download failed; the message says how to fetch the file by hand.
        FileExistsError: The dataset's folder exists and holds another number of images.
    """
    if name not in FILE_IDS:
        raise ValueError(f"there is no download {name!r}; write one of {', '.join(FILE_IDS)}")
    root = Path(expanded(root))
    file = root / "downloads" / name
    if name == WEIGHTS:
        return _fetched(name, file, fetch)
    dataset = DATASETS[name]
    target = root / dataset.folder
    if target.exists() and any(target.iterdir()):
        there = sum(path.suffix == ".jpg" for path in target.iterdir())
        if there != dataset.images:
            raise FileExistsError(
                f"{target} exists and holds {there} images instead of {dataset.images}; move it "
                "away to have it made again"
            )
        return target
    _extract(_fetched(name, file, fetch), dataset, target, root)
    print(f"{name}: {dataset.images} images of {dataset.persons} persons in {target}")
    return target


def _fetched(name: str, file: Path, fetch: Fetch | None) -> Path:
    """The downloaded file, which has this name only when it is whole."""
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{name}.part")
    part.unlink(missing_ok=True)
    try:
        (fetch or _from_google_drive)(FILE_IDS[name], str(part))
        if not part.is_file():
            raise OSError("nothing was saved")
        with part.open("rb") as content:
            start = content.read(1)
        if start in (b"", b"<"):
            raise OSError("Google Drive answered with a page instead of the file")
        part.replace(file)
    except Exception as error:  # gdown and requests raise errors of their own
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise FileNotFoundError(
            f"downloading {name} failed ({reason.strip()}); open https://drive.google.com/file/d/"
            f"{FILE_IDS[name]}/view in a browser, save the file as {file} and run this again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return file


def _from_google_drive(file_id: str, path: str) -> None:
    import gdown

    gdown.download(id=file_id, output=path, quiet=False)


def _extract(archive: Path, dataset: _Dataset, target: Path, root: Path) -> None:
    try:
        with _members(archive) as members:
            images = _images(_checked(members, archive, dataset.max_bytes), dataset, archive)
            with tempfile.TemporaryDirectory(prefix=".extracting-", dir=root) as temporary:
                folder = Path(temporary, "images")
                folder.mkdir()
                for name, member in images.items():
                    source = member.open()
                    assert source is not None  # it is a file
                    with source, (folder / name).open("xb") as output:
                        shutil.copyfileobj(source, output)
                target.parent.mkdir(parents=True, exist_ok=True)
                folder.replace(target)
    except _DAMAGED as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"{archive} is a damaged archive ({reason}); delete it to have it downloaded again"
        ) from error


@contextmanager
def _members(path: Path) -> Iterator[Iterator[_Member]]:
    """Entries of a zip or tar archive in the order in which they lie there."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield map(partial(_zip_member, archive), archive.infolist())
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            yield (
                _Member(e.name, e.size, e.isfile(), e.isdir(), partial(tar.extractfile, e))
                for e in tar
            )
    else:
        raise ValueError(
            f"{path} is neither a zip nor a tar archive; unpack it by hand or delete it"
        )


def _zip_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Member:
    encrypted = entry.flag_bits & 1
    kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the archive was not made on Unix
    return _Member(
        entry.filename,
        entry.file_size,
        is_file=kind in (0, stat.S_IFREG) and not entry.is_dir() and not encrypted,
        is_folder=kind in (0, stat.S_IFDIR) and entry.is_dir(),
        open=partial(archive.open, entry),
    )


def _checked(members: Iterable[_Member], archive: Path, max_bytes: int) -> list[_Member]:
    """The files of an archive in which all is as it should be."""
    # Neither zipfile nor tarfile gives more bytes of a file than its header says.
    files, total = [], 0
    for member in members:
        name, total = member.name, total + member.size
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            problem = "does not lie in the archive's own folder"
        elif not (member.is_file or member.is_folder):
            problem = "is a link, a device or encrypted"
        elif total > max_bytes:
            problem = f"takes the content above {max_bytes} bytes"
        else:
            if member.is_file:
                files.append(member)
            continue
        raise ValueError(f"{archive} is refused: {name!r} {problem}")
    return files


def _images(files: list[_Member], dataset: _Dataset, archive: Path) -> dict[str, _Member]:
    """The images by their name for torchreid, from the folder that holds most of them."""
    folders: dict[PurePosixPath, dict[str, _Member]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file.name)
        if re.fullmatch(dataset.names, path.name, re.ASCII):
            folders[path.parent][path.name] = file
    images = max(folders.values(), key=len, default={})
    persons: dict[int, list[str]] = defaultdict(list)
    for name in sorted(images):
        match = re.fullmatch(dataset.names, name, re.ASCII)
        assert match is not None
        persons[int(match["person"])].append(name)
    if (len(images), len(persons)) != (dataset.images, dataset.persons):
        raise ValueError(
            f"{archive} holds {len(images)} images of {len(persons)} persons in one folder "
            f"(of {len(files)} files in all) instead of {dataset.images} of {dataset.persons}; "
            "nothing was unpacked, delete it to have it downloaded again"
        )
    renamed = {
        name: f"{person:04d}{number:03d}.jpg"
        for person, names in persons.items()
        for number, name in enumerate(names, 1)
        if not re.fullmatch(dataset.readable, name)
    }
    return {renamed.get(name, name): file for name, file in images.items()}
