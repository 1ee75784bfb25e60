"""Training images that are query or gallery images, or another source's, too."""

import itertools
import shutil

import numpy as np
import pytest
import torchreid
from PIL import Image

from ddan_torchreid.data.datasets.leaks import check_leaks, find_shared, note_shared_images
from ddan_torchreid.data.datasets.own import dataset_class
from tests import miniatures
from tests.data.datasets.roots import manager


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_images_that_two_sets_share(tmp_path):
    a = write(tmp_path, "one/a.jpg", b"one image")
    b = write(tmp_path, "one/b.jpg", b"one image")  # twice in a set
    c = write(tmp_path, "two/c.png", b"one image")
    d = write(tmp_path, "two/d.png", b"six image")
    e = write(tmp_path, "two/e.png", b"another size")
    f = write(tmp_path, "six/f.jpg", b"six image")
    empty = [write(tmp_path, name, b"") for name in ("one/1", "two/1")]
    missing = str(tmp_path / "none")
    assert find_shared([[a, b], [e, d, c], [f, f]]) == [(a, c, 0, 1), (d, f, 1, 2)]
    assert find_shared([[a, b], [d, e]]) == []
    # The same files in two sets, as of one CSV file registered twice.
    assert find_shared([[a, d], [e], [a, d]]) == [(a, a, 0, 2), (d, d, 0, 2)]
    no_images = [missing, str(tmp_path)]
    assert find_shared([[empty[0], *no_images], [empty[1], *no_images], []]) == []


def test_agrees_with_comparing_all_pairs(tmp_path):
    rng = np.random.default_rng(0)
    contents = [bytes(rng.integers(0, 2, rng.integers(1, 6), dtype=np.uint8)) for _ in range(60)]
    paths = [write(tmp_path / "x", str(n), content) for n, content in enumerate(contents)]
    expected = []
    for b, a in itertools.product(range(30, 60), range(30)):
        if contents[a] == contents[b] and paths[b] not in [pair[1] for pair in expected]:
            expected.append((paths[a], paths[b], 0, 1))
    assert 0 < len(expected) < 30
    assert find_shared([paths[:30], paths[30:]]) == expected


def test_one_table_as_two_sources_is_reported_in_one_line(tmp_path, capsys, monkeypatch):
    rows = [(f"{pid}_{image}.png", pid, image) for pid in range(4) for image in range(4)]
    for name, pid, image in rows:
        Image.fromarray(miniatures.pixels(pid, image)).save(tmp_path / name)
    text = "path,pid,camid\n" + "".join(f"{name},{pid},{image}\n" for name, pid, image in rows)
    (tmp_path / "x.csv").write_text(text)
    registry = torchreid.data.datasets.__dict__["__image_datasets"]
    for name in ("a", "b"):
        monkeypatch.setitem(registry, name, dataset_class(name, str(tmp_path / "x.csv")))
    for sources in (["a"], ["a", "b"]):
        datamanager = manager(tmp_path, sources)
        capsys.readouterr()
        note_shared_images(datamanager)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(sources) - 1
    path = tmp_path / "0_0.png"
    assert lines[0].startswith("=> Warning: 16 training images are in two sources")
    assert f"{path} of b ({path} of a)" in lines[0]


def test_a_dataset_that_is_source_and_target(real_root, capsys):
    check_leaks(manager(real_root, ["market1501"]))
    everything = manager(real_root, ["market1501"], combineall=True)
    with pytest.raises(ValueError, match=r"48 query or gallery images are training images too"):
        check_leaks(everything)
    check_leaks(everything, allow=True)
    assert "=> Allowed by ddan.allow_leaks: 48 query or gallery" in capsys.readouterr().out


def test_training_stops_at_a_leak_and_scoring_does_not(small_engine, tmp_path, capsys):
    engine = small_engine()
    allowed = small_engine("ddan.allow_leaks", "True")
    trained = engine.train_loader.dataset.data[7][0]
    copied = str(tmp_path / "copy.png")
    shutil.copy(trained, copied)
    for each in (engine, allowed):
        gallery = each.test_loader["night"]["gallery"].dataset.data
        gallery[3] = (copied, *gallery[3][1:])
    with pytest.raises(ValueError) as error:
        engine.run(max_epoch=1, save_dir=str(tmp_path))
    message = str(error.value)
    assert copied in message
    assert trained in message
    assert "write ddan.allow_leaks True" in message
    assert "\n" not in message
    assert not (tmp_path / "model").exists()
    allowed.run(max_epoch=1, save_dir=str(tmp_path), print_freq=100)
    assert f"Allowed by ddan.allow_leaks: {message.partition(';')[0]}" in capsys.readouterr().out
    engine.run(test_only=True, save_dir=str(tmp_path))
    assert engine.scores
