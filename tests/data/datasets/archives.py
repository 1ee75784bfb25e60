"""Archives as the downloads of datasets bring them."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import gdown
import pytest

from ddan_torchreid.data.datasets.download import FILE_IDS, download

CROPS = [f"p{person}_s{scene}_1.jpg" for person, scene in ((1, 3), (1, 4), (22, 3), (11422, 16929))]


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(files: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for entry in extra:
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def crops(folder: str = "CUHK-SYSU/cropped_images", names: list[str] = CROPS) -> dict[str, bytes]:
    return {os.path.join(folder, name): b"\xff\xd8" + name.encode() for name in names}


def served(name: str, root: Path, content: bytes | None = None) -> Path:
    """Downloads a dataset whose archive has this content; without any, nothing may be fetched."""

    def fetch(id: str, output: str, quiet: bool) -> None:
        assert content is not None, "fetched again"
        assert id == FILE_IDS[name]
        Path(output).write_bytes(content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gdown, "download", fetch)
        return download(name, root)


def files_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())
