"""Finding and reading images that belong to no dataset."""

import os
from pathlib import Path

import numpy as np
import pytest
import torchreid
from PIL import Image

from ddan_torchreid.data.loose_images import find_images, printable, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 7, 3), dtype=np.uint8)


def write(path, pixels=PIXELS):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return str(path)


def test_files_folders_and_globs_in_order_and_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["b/2.PNG", "b/1.jpg", "b/deep/er/0.bmp", "a.png", "b/.hidden.png", "b/.git/x.png"]
    for name in names:
        write(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "folder.png").mkdir()
    inside = ["b/1.jpg", "b/2.PNG", "b/deep/er/0.bmp"]
    assert find_images(["b"]) == inside
    assert find_images(["a.png", "b", "./b/1.jpg", str(tmp_path / "a.png")]) == ["a.png", *inside]
    assert find_images(["b/*.jpg"]) == ["b/1.jpg"]
    assert find_images(["**/*.bmp"]) == ["b/deep/er/0.bmp"]
    # What is named is taken, so that it is reported when it is no image.
    assert find_images(["b/notes.txt"]) == ["b/notes.txt"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    write(tmp_path / "c1.png")
    path = write(tmp_path / "c[12].png")
    assert find_images([path]) == [path]


def test_links_to_folders_are_not_followed(tmp_path):
    write(tmp_path / "else" / "1.png")
    path = write(tmp_path / "given" / "2.png")
    os.symlink(tmp_path / "else", tmp_path / "given" / "link")
    os.symlink(tmp_path / "given", tmp_path / "given" / "loop")
    assert find_images([str(tmp_path / "given")]) == [path]


def test_nothing_to_find(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or folder 'none/.png'"):
        find_images(["none/.png"])
    with pytest.raises(FileNotFoundError, match=r"none.\*"):
        find_images(["none/*"])
    with pytest.raises(ValueError, match=r"there is no image in .*\.jpg \.jpeg \.png"):
        find_images([str(tmp_path)])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg", "webp"])
def test_the_same_pixels_as_torchreid(suffix, tmp_path):
    for mode in ("RGB", "L", "RGBA", "P", "CMYK", "LA"):
        path = str(tmp_path / f"image.{suffix}")
        try:
            Image.fromarray(PIXELS).convert(mode).save(path)
        except OSError:  # the format has no such mode
            continue
        found = read_image(path)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(found, torchreid.utils.read_image(path))


def test_content_counts_and_not_the_suffix(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", format="PNG")
    np.testing.assert_array_equal(read_image(str(tmp_path / "x.jpg")), PIXELS)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_greyscale_is_scaled(suffix, tmp_path):
    values = (np.arange(84, dtype=np.uint32) * 780).astype(np.uint16).reshape(12, 7)
    path = write(tmp_path / f"deep.{suffix}", values)
    expected = np.repeat((values // 256)[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(path), expected)
    assert len(np.unique(expected)) == 84


def test_16_bit_colour_is_scaled_alike(tmp_path):
    cv2 = pytest.importorskip("cv2")
    grey = np.linspace(0, 65535, 84).astype(np.uint16).reshape(12, 7)
    cv2.imwrite(str(tmp_path / "colour.png"), np.repeat(grey[..., None], 3, axis=2))
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    colour, grey = (read_image(str(tmp_path / f"{name}.png")) for name in ("colour", "grey"))
    np.testing.assert_array_equal(colour, grey)


def test_what_cannot_be_read_is_one_line(tmp_path):
    whole = write(tmp_path / "whole.jpg", np.kron(PIXELS, np.ones((20, 20, 1), np.uint8)))
    content = Path(whole).read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 30)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no image\nat all")
    (tmp_path / "line\nbreak.png").write_text("x")
    write(tmp_path / "float.tif", np.ones((4, 4), np.float32))
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in {
        "truncated.jpg": "image file is truncated",
        "header.png": "header.png is no readable image: ",
        "empty.jpg": "it is empty",
        "text.png": "its content is no known image format",
        "line\nbreak.png": r"line\nbreak.png is no readable image",
        "float.tif": "save it with 8 bits",
        "pipe.png": "no such file",
        "missing.png": "no such file",
    }.items():
        with pytest.raises(ValueError) as caught:
            read_image(str(tmp_path / name))
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_printable_text_is_left_alone():
    for text in ("0001_c1.png", "каталог/人.png", "$x$ <b>"):
        assert printable(text) == text
    assert printable("a\nb\x1b[31m\udcff\u202e") == r"a\nb\x1b[31m\udcff\u202e"
