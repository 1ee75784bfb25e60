"""Commands list, read and write the datasets that they need and nothing else under a data root."""

import errno
import os
import sys
from pathlib import Path

import pytest
import torchreid

from ddan_torchreid.cli import main

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
)
LISTING = ("open", "os.listdir", "os.scandir")
TINY = [
    *("model.name", "ddan_mobilenetv2_x0_35", "data.height", "32", "data.width", "16"),
    *("loss.name", "ddan", "sampler.train_sampler", "MultiDomainIdentitySampler"),
    *("model.pretrained", "False", "data.workers", "0", "train.batch_size", "16"),
]

# An audit hook stays for the life of a process, so there is one, which works while a root is here.
_watched: list["Disk"] = []


class Disk:
    """A data root on which what is touched is noted, and which nothing can write to."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.touched: set[str] = set()

    def see(self, event: str, arguments: tuple) -> None:
        paths = [os.path.realpath(path) for path in arguments[:2] if isinstance(path, str)]
        below = [path for path in paths if path.startswith(self.root)]
        writes = event in CHANGING or (event == "open" and (arguments[2] or 0) & WRITING)
        if below and writes:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), below[0])
        self.touched |= {Path(path).relative_to(self.root).parts[0] for path in below}


def _hook(event: str, arguments: tuple) -> None:
    if _watched and event in (*CHANGING, *LISTING):
        _watched[0].see(event, arguments)


sys.addaudithook(_hook)


@pytest.fixture
def disk(real_root):
    """The miniatures, watched after torchreid has written what it writes at the first use."""
    for name in ("ilids", "viper"):
        torchreid.data.datasets.init_image_dataset(name, root=str(real_root), verbose=False)
    _watched.append(Disk(real_root))
    yield _watched[0]
    _watched.clear()


def own(real_root, folder):
    """A listing of ten persons seen by two cameras, of images that are elsewhere."""
    lines = ["path,pid,camid"]
    for number, image in enumerate(sorted((real_root / "viper").rglob("*.bmp"))[:20]):
        (folder / image.name).write_bytes(image.read_bytes())
        lines.append(f"{image.name},{number // 2},{number % 2}")
    (folder / "shop.csv").write_text("\n".join(lines))
    return f"shop={folder / 'shop.csv'}"


def test_the_watch_sees_and_refuses(disk):
    sorted((Path(disk.root) / "market1501").iterdir())
    assert disk.touched == {"market1501"}
    with pytest.raises(OSError, match="Read-only"):
        (Path(disk.root) / "new").mkdir()
    with pytest.raises(OSError, match="Read-only"):
        (Path(disk.root) / "new").write_text("")


@pytest.mark.parametrize("more", [(), ("--splits", "2")], ids=["one split", "splits"])
def test_evaluating_touches_its_targets_only(disk, bare_weights, tmp_path, more):
    words = ["evaluate", "--weights", str(bare_weights), "--root", disk.root]
    words += [*TINY, "data.save_dir", str(tmp_path / "log")]
    shop = own(Path(disk.root), tmp_path)
    disk.touched.clear()
    # What a training named may all be absent here, own data too.
    absent = ["--dataset", f"gone={tmp_path / 'gone.csv'}", "-s", "gone", "market1501"]
    assert main([*words, "--dataset", shop, *absent, "-t", "shop", *more]) == 0
    assert disk.touched == set()
    assert main([*words, *absent, "-t", "ilids", "viper", *more]) == 0
    assert disk.touched == {"ilids", "viper"}


def test_training_touches_sources_and_targets_only(disk, tmp_path):
    words = ["train", "--root", disk.root, *TINY, "train.max_epoch", "1"]
    words += ["-s", "market1501", "cuhksysu", "-t", "ilids", "data.save_dir", str(tmp_path / "log")]
    words += ["ddan.top_k", "3", "ddan.central_domain", "market1501"]
    assert main(words) == 0
    assert disk.touched == {"market1501", "cuhksysu", "ilids"}


def test_the_central_domain_needs_no_targets(disk, tmp_path, capsys):
    words = ["central-domain", "--root", disk.root, *TINY, "--samples", "5"]
    words += ["ddan.top_k", "3", "data.save_dir", str(tmp_path / "log"), "-t", "viper", "gone"]
    words += ["--dataset", f"gone={tmp_path / 'gone.csv'}"]
    assert main([*words, "-s", "market1501", "cuhksysu"]) == 0
    assert disk.touched == {"market1501", "cuhksysu"}
    shop = own(Path(disk.root), tmp_path)
    disk.touched.clear()
    assert main([*words, "--dataset", shop, "-s", "shop", "market1501"]) == 0
    assert disk.touched == {"market1501"}
    assert "Central domain: " in capsys.readouterr().out
