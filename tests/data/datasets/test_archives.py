"""Archives that nobody should trust are refused, and a broken one leaves no dataset."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from ddan_torchreid.data.datasets import download as module
from ddan_torchreid.data.datasets.download import download
from tests.data.datasets.archives import crops, files_below, serving, tarred, zipped


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in crops().items():
            archive.writestr(name, data)
        link = zipfile.ZipInfo("CUHK-SYSU/p5_s5_5.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return content.getvalue()


def zip_encrypted() -> bytes:
    content = bytearray(zipped(crops()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


OUTSIDE = "does not lie in the archive's own folder"
KIND = "is a link, a device or encrypted"
MALICIOUS = {
    "zip, parent": (zipped(crops() | {"../p9_s9_9.jpg": b"x"}), OUTSIDE),
    "zip, parent inside": (zipped(crops("a/../../b")), OUTSIDE),
    "zip, absolute": (zipped(crops("/absolute")), OUTSIDE),
    "zip, backslash": (zipped(crops() | {"..\\p9_s9_9.jpg": b"x"}), OUTSIDE),
    "zip, drive": (zipped(crops() | {"C:/p9_s9_9.jpg": b"x"}), OUTSIDE),
    "zip, parent folder": (zipped(crops() | {"../evil/": b""}), OUTSIDE),
    "zip, link": (zip_link(), KIND),
    "zip, encrypted": (zip_encrypted(), KIND),
    "zip, bomb": (zipped(crops() | {"a/p9_s9_9.jpg": bytes(20_000)}), "above 10000 bytes"),
    "tar, parent": (tarred(crops("../../outside")), OUTSIDE),
    "tar, absolute": (tarred(crops("/absolute")), OUTSIDE),
    "tar, symlink": (tarred(crops(), entry("a", tarfile.SYMTYPE, "/etc")), KIND),
    "tar, link inside": (tarred(crops(), entry("CUHK-SYSU", tarfile.SYMTYPE, "b")), KIND),
    "tar, hard link": (tarred(crops(), entry("a", tarfile.LNKTYPE, "/etc/passwd")), KIND),
    "tar, device": (tarred(crops(), entry("a", tarfile.CHRTYPE)), KIND),
    "tar, fifo": (tarred(crops(), entry("p9_s9_9.jpg", tarfile.FIFOTYPE)), KIND),
    "tar, bomb": (tarred(crops() | {"zeros": bytes(20_000)}), "above 10000 bytes"),
}


@pytest.mark.parametrize("case", MALICIOUS)
def test_malicious_archives_are_refused_whole(case, small_cuhksysu, tmp_path):
    content, message = MALICIOUS[case]
    root = tmp_path / "a" / "b" / "root"
    with pytest.raises(ValueError, match="is refused") as caught:
        download("cuhksysu", root, serving(content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == ["a/b/root/downloads/cuhksysu"]
    assert os.listdir(root) == ["downloads"]


def corrupted(content: bytes) -> bytes:
    """An image whose bytes no longer fit its checksum."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    data = bytearray(content)
    data[start + 30 + len(next(iter(crops()))) + 3] ^= 0xFF
    return bytes(data)


def understated(content: bytes) -> bytes:
    """A zip archive whose directory says that its first image has 2 bytes."""
    data = bytearray(content)
    size = data.index(b"PK\x01\x02") + 24
    data[size : size + 4] = (2).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (understated(zipped(crops())), "is a damaged archive"),
        (tarred(crops())[:-40], "is a damaged archive"),
        (zipped(crops())[:-40], "neither a zip nor a tar archive"),
        (corrupted(zipped(crops())), "is a damaged archive"),
        (b"Rar!\x1a\x07\x01\x00", "neither a zip nor a tar archive; unpack it by hand"),
    ],
    ids=["understated", "tgz", "zip", "checksum", "rar"],
)
def test_damaged_archives(content, message, small_cuhksysu, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        download("cuhksysu", tmp_path, serving(content))
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == ["downloads/cuhksysu"]
    assert os.listdir(tmp_path) == ["downloads"]


def test_interrupted_extraction_leaves_no_dataset(small_cuhksysu, tmp_path, monkeypatch):
    copy, copied = module.shutil.copyfileobj, []

    def full_disk(source, output):
        if len(copied) == 2:
            raise OSError(28, "No space left on device")
        copied.append(output.name)
        copy(source, output)

    monkeypatch.setattr(module.shutil, "copyfileobj", full_disk)
    with pytest.raises(OSError, match="No space left"):
        download("cuhksysu", tmp_path, serving(zipped(crops())))
    assert os.listdir(tmp_path) == ["downloads"]
    monkeypatch.undo()
    assert copied
