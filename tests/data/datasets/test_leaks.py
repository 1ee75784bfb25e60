"""Training images that are query or gallery images too."""

import itertools
import shutil

import numpy as np
import pytest
import torchreid
from PIL import Image

from ddan_torchreid.data.datasets.leaks import (
    check_leaks,
    find_leaks,
    find_shared,
    note_shared_images,
)
from ddan_torchreid.data.datasets.own import dataset_class
from tests import miniatures


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_the_same_bytes_under_another_name(tmp_path):
    a = write(tmp_path, "train/a.jpg", b"one image")
    b = write(tmp_path, "train/b.jpg", b"two image")  # same size
    c = write(tmp_path, "train/c.jpg", b"one image")  # the same twice in training
    x = write(tmp_path, "test/x.png", b"one image")
    y = write(tmp_path, "test/y.png", b"six image")
    z = write(tmp_path, "test/z.png", b"another size")
    assert find_leaks([a, b, c], [z, y, x]) == [(a, x)]
    assert find_leaks([b], [x, y, z]) == []
    assert find_leaks([a, c], [y, z]) == []
    # A path on both sides is one, and a test image that is query and gallery counts once.
    assert find_leaks([b, y], [y, x, y]) == [(y, y)]


def test_missing_and_empty_files_are_no_images(tmp_path):
    empty = [write(tmp_path, name, b"") for name in ("a/1", "b/1")]
    missing = str(tmp_path / "none")
    assert find_leaks([empty[0], missing, str(tmp_path)], [empty[1], missing, str(tmp_path)]) == []


def test_agrees_with_comparing_all_pairs(tmp_path):
    rng = np.random.default_rng(0)
    contents = [bytes(rng.integers(0, 2, rng.integers(1, 6), dtype=np.uint8)) for _ in range(60)]
    paths = [write(tmp_path / "x", str(n), content) for n, content in enumerate(contents)]
    train, test = paths[:30], paths[30:]
    expected = []
    for b, a in itertools.product(range(30, 60), range(30)):
        if contents[a] == contents[b] and paths[b] not in [pair[1] for pair in expected]:
            expected.append((paths[a], paths[b]))
    assert 0 < len(expected) < 30
    assert find_leaks(train, test) == expected


def test_images_that_two_sources_share(tmp_path):
    a = write(tmp_path, "one/a.jpg", b"one image")
    b = write(tmp_path, "one/b.jpg", b"one image")  # twice in a source
    c = write(tmp_path, "two/c.png", b"one image")
    d = write(tmp_path, "two/d.png", b"six image")
    e = write(tmp_path, "two/e.png", b"another size")
    f = write(tmp_path, "six/f.jpg", b"six image")
    assert find_shared([[a, b], [e, d, c], [f, f]]) == [(a, c, 0, 1), (d, f, 1, 2)]
    assert find_shared([[a, b], [d, e]]) == []
    # The same files as two sources, as one CSV file registered twice.
    assert find_shared([[a, d], [e], [a, d]]) == [(a, a, 0, 2), (d, d, 0, 2)]
    assert find_shared([[str(tmp_path / "none")], [str(tmp_path / "none")], []]) == []


def test_one_table_as_two_sources_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    rows = [(f"{pid}_{image}.png", pid, image) for pid in range(4) for image in range(4)]
    for name, pid, image in rows:
        Image.fromarray(miniatures.pixels(pid, image)).save(tmp_path / name)
    text = "path,pid,camid\n" + "".join(f"{name},{pid},{image}\n" for name, pid, image in rows)
    (tmp_path / "x.csv").write_text(text)
    registry = torchreid.data.datasets.__dict__["__image_datasets"]
    for name in ("a", "b"):
        monkeypatch.setitem(registry, name, dataset_class(name, str(tmp_path / "x.csv")))
    for sources in (["a"], ["a", "b"]):
        manager = torchreid.data.ImageDataManager(sources=sources, workers=0, use_gpu=False)
        capsys.readouterr()
        note_shared_images(manager)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(sources) - 1
    path = tmp_path / "0_0.png"
    assert lines[0].startswith("=> Warning: 16 training images are in two sources")
    assert f"{path} of b ({path} of a)" in lines[0]


def test_no_leak_between_the_datasets_of_the_suite(real_root, small_engine, capsys):
    manager = torchreid.data.ImageDataManager(
        root=str(real_root), sources=list(miniatures.SOURCES), targets=list(miniatures.TARGETS),
        combineall=True, workers=0, use_gpu=False,
    )  # fmt: skip
    check_leaks(manager)
    check_leaks(small_engine().datamanager)
    capsys.readouterr()
    note_shared_images(small_engine().datamanager)
    assert "Warning" not in capsys.readouterr().out


def test_a_dataset_that_is_source_and_target(real_root, capsys):
    options = {"root": str(real_root), "sources": ["market1501"], "workers": 0, "use_gpu": False}
    check_leaks(torchreid.data.ImageDataManager(**options))
    everything = torchreid.data.ImageDataManager(combineall=True, **options)
    with pytest.raises(ValueError, match=r"48 query or gallery images are training images too"):
        check_leaks(everything)
    capsys.readouterr()
    check_leaks(everything, allow=True)
    assert capsys.readouterr().out.startswith("=> Allowed by ddan.allow_leaks: 48 query or gallery")


def test_training_stops_at_a_leak(small_engine, tmp_path, capsys):
    engine = small_engine()
    engine_allowed = small_engine("ddan.allow_leaks", "True")
    trained = engine.train_loader.dataset.data[7][0]
    copied = str(tmp_path / "copy.png")
    shutil.copy(trained, copied)
    for each in (engine, engine_allowed):
        gallery = each.test_loader["night"]["gallery"].dataset.data
        gallery[3] = (copied, *gallery[3][1:])
    with pytest.raises(ValueError) as error:
        engine.run(max_epoch=1, save_dir=str(tmp_path))
    message = str(error.value)
    assert message.startswith(
        f"1 query or gallery images are training images too, such as {copied}"
    )
    assert trained in message
    assert "write ddan.allow_leaks True" in message
    assert "\n" not in message
    assert not (tmp_path / "model").exists()
    capsys.readouterr()
    engine_allowed.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    assert f"Allowed by ddan.allow_leaks: {message.partition(';')[0]}" in capsys.readouterr().out
    # Scoring alone is not stopped.
    engine.run(test_only=True, save_dir=str(tmp_path))
    assert engine.scores
