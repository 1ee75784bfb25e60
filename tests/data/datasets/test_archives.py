"""What an archive holds besides images harms nothing, and a broken one leaves no dataset."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.data.datasets.archives import CROPS, crops, files_below, served, tarred, zipped


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_encrypted() -> bytes:
    content = bytearray(zipped(crops()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


MALICIOUS = {
    "zip, parent": zipped(crops() | {"../p9_s9_9.jpg": b"x", "a/../../p9_s9_9.jpg": b"x"}),
    "zip, absolute": zipped(crops() | {"/p9_s9_9.jpg": b"x"}),
    "tar, parent": tarred(crops() | {"../../p9_s9_9.jpg": b"x"}),
    "tar, absolute": tarred(crops() | {"/p9_s9_9.jpg": b"x"}),
    "tar, symlink": tarred(crops(), entry("CUHK-SYSU", tarfile.SYMTYPE, "/etc")),
    "tar, hard link": tarred(crops(), entry("a", tarfile.LNKTYPE, "/etc/passwd")),
    "tar, fifo": tarred(crops(), entry("p9_s9_9.jpg", tarfile.FIFOTYPE)),
}


@pytest.mark.parametrize("case", MALICIOUS)
def test_nothing_leaves_the_archive(case, small_cuhksysu, tmp_path):
    root = tmp_path / "a" / "b" / "root"
    images = [f"cuhksysu/cropped_images/{name}" for name in sorted(CROPS)]
    try:
        served("cuhksysu", root, MALICIOUS[case])
    except ValueError as error:
        assert "cannot be unpacked" in str(error)  # noqa: PT017
        images = []
    expected = [f"a/b/root/{name}" for name in [*images, "downloads/cuhksysu"]]
    assert files_below(tmp_path) == expected
    assert not os.path.exists("/p9_s9_9.jpg")


def corrupted(content: bytes) -> bytes:
    """An image whose bytes no longer fit its checksum."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    data = bytearray(content)
    data[start + 30 + len(next(iter(crops()))) + 3] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tarred(crops())[:-40], "cannot be unpacked"),
        (zipped(crops())[:-40], "neither a zip nor a tar archive"),
        (corrupted(zipped(crops())), "cannot be unpacked"),
        (zip_encrypted(), "is encrypted"),
        (zipped(crops() | {"a/zeros": bytes(20_000)}), "takes more than 10000 bytes"),
        (tarred(crops() | {"zeros": bytes(20_000)}), "takes more than 10000 bytes"),
        (b"Rar!\x1a\x07\x01\x00", "neither a zip nor a tar archive; unpack it by hand"),
    ],
    ids=["tgz", "zip", "checksum", "encrypted", "zip bomb", "tar bomb", "rar"],
)
def test_damaged_archives(content, message, small_cuhksysu, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        served("cuhksysu", tmp_path, content)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == ["downloads/cuhksysu"]
    assert os.listdir(tmp_path) == ["downloads"]


def test_interrupted_extraction_leaves_no_dataset(small_cuhksysu, tmp_path, monkeypatch):
    moved = []

    def full_disk(self, target):
        if len(moved) == 2:
            raise OSError(28, "No space left on device")
        moved.append(os.replace(self, target))

    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "cuhksysu").write_bytes(zipped(crops()))
    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        served("cuhksysu", tmp_path)
    assert os.listdir(tmp_path) == ["downloads"]
    assert len(moved) == 2
