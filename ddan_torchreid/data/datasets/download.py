"""Downloads of what the authors' README links: CUHK-SYSU's crops, i-LIDS, the trained weights.

An archive is unpacked into a temporary folder, which nothing in it can leave: ``zipfile`` and
tarfile's filter ``data`` see to that. When all images are there, they become the dataset's folder.
"""

from __future__ import annotations

import gzip
import itertools
import lzma
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ...system.files import expanded
from .published import DATASETS

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
    KeyError,
    RuntimeError,  # of a zip with a password
)


# Names of the images in an archive, with a group ``person``: torchreid's, and person, underscore,
# camera, which the authors' own code reads.
_NAMES = {
    "cuhksysu": r"p?(?P<person>\d+)_(s\d+_|c?)\d\w*\.jpg",
    "ilids": r"(?P<person>\d{4}(?=\d{3}\.)|\d+(?=_c?\d))\w+\.jpg",
}
#: Limit for the size of an archive's content.
MAX_BYTES = {"cuhksysu": 8 * 2**30, "ilids": 2**30}


def download(name: str, root: str | Path = "reid-data") -> Path:
    """Downloads a dataset into torchreid's layout, or the weights that the authors released.

    What is there already is not fetched again. An archive stays in ``downloads/<name>`` below the
    data root; one that was put there by hand is used.

    Args:
        name: 'cuhksysu', 'ilids' or 'ddan-weights' (which
            :func:`ddan_torchreid.models.convert_official` converts).
        root: torchreid's data root.

    Returns:
        The folder of images, or the file of weights.

    Raises:
        ValueError: Unknown name, or an archive that is damaged or not the whole dataset;
            it stays where it is.
        FileNotFoundError: The download failed; the message says how to fetch the file by hand.
        FileExistsError: The dataset's folder exists and holds another number of images.
    """
    if name not in FILE_IDS:
        raise ValueError(f"there is no download {name!r}; write one of {', '.join(FILE_IDS)}")
    root = Path(expanded(root))
    file = root / "downloads" / name
    if name == WEIGHTS:
        return _fetched(name, file)
    (part,) = DATASETS[name].parts
    target = root / DATASETS[name].folder / part.folder
    if target.exists() and any(target.iterdir()):
        there = sum(path.suffix == ".jpg" for path in target.iterdir())
        if there != part.images:
            raise FileExistsError(
                f"{target} exists and holds {there} images instead of {part.images}; move it away "
                "to have it made again"
            )
        return target
    _extract(name, _fetched(name, file), target, root)
    print(f"{name}: {part.images} images of {part.persons} persons in {target}")
    return target


def _fetched(name: str, file: Path) -> Path:
    """The downloaded file, which has this name only when it is whole."""
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{name}.part")
    part.unlink(missing_ok=True)
    try:
        import gdown  # takes long

        gdown.download(id=FILE_IDS[name], output=str(part), quiet=False)
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


def _extract(name: str, archive: Path, target: Path, root: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".extracting-", dir=root) as temporary:
        content, folder = Path(temporary, "content"), Path(temporary, "images")
        _unpack(archive, content, MAX_BYTES[name])
        folder.mkdir()
        for image, file in _images(name, content, archive).items():
            file.replace(folder / image)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.replace(target)


def _unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                _check_size(archive, (each.file_size for each in packed.infolist()), max_bytes)
                packed.extractall(folder)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _check_size(archive, (each.size for each in tar), max_bytes)
                tar.extractall(folder, filter="data")
        else:
            raise ValueError(
                f"{archive} is neither a zip nor a tar archive; unpack it by hand or delete it"
            )
    except _DAMAGED as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"{archive} cannot be unpacked ({reason}); delete it to have it downloaded again"
        ) from error


def _check_size(archive: Path, sizes: Iterable[int], most: int) -> None:
    # Neither zipfile nor tarfile gives more bytes of a file than its header says.
    if any(total > most for total in itertools.accumulate(sizes)):
        raise ValueError(f"{archive} is refused: its content takes more than {most} bytes")


def _images(name: str, content: Path, archive: Path) -> dict[str, Path]:
    """The images by their name for torchreid, from the folder that holds most of them.

    Those that torchreid cannot read are named after person (4 digits) and number (3 digits).
    """
    (part,) = DATASETS[name].parts
    folders: dict[Path, list[re.Match[str]]] = defaultdict(list)
    for path in sorted(content.rglob("*.jpg")):
        match = re.fullmatch(_NAMES[name], path.name, re.ASCII)
        if match and path.is_file() and not path.is_symlink():
            folders[path.parent].append(match)
    folder = max(folders, key=lambda each: len(folders[each]), default=content)
    persons: dict[int, list[str]] = defaultdict(list)
    for match in folders[folder]:
        persons[int(match["person"])].append(match[0])
    if (len(folders[folder]), len(persons)) != (part.images, part.persons):
        raise ValueError(
            f"{archive} holds {len(folders[folder])} images of {len(persons)} persons in one "
            f"folder instead of {part.images} of {part.persons}; nothing was kept, delete it to "
            "have it downloaded again"
        )
    named: dict[str, Path] = {}
    for person, images in persons.items():
        for number, image in enumerate(images, 1):
            readable = re.fullmatch(part.pattern, image)
            named[image if readable else f"{person:04d}{number:03d}.jpg"] = folder / image
    return named
