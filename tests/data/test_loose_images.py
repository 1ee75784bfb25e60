"""Finding and reading images that belong to no dataset."""

import contextlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torchreid
from PIL import Image, ImageOps

from ddan_torchreid.data.loose_images import (
    SUFFIXES,
    find_images,
    printable,
    read_image,
    read_pixels,
)

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


def test_links_to_folders_are_followed_once(tmp_path):
    write(tmp_path / "else" / "deep" / "1.png")
    given = tmp_path / "given"
    path = write(given / "folder" / "2.png")
    for link, place in (("link", "else"), ("again", "else"), ("loop", "given")):
        os.symlink(tmp_path / place, given / link)
    os.symlink(given / "folder", given / "a")  # what is there without a link has its own path
    os.symlink("nowhere", given / "dangling")
    assert find_images([str(given)]) == [str(given / "again" / "deep" / "1.png"), path]
    only = tmp_path / "only"
    only.mkdir()
    os.symlink(tmp_path / "else", only / "link")
    assert find_images([str(only)]) == [str(only / "link" / "deep" / "1.png")]
    assert find_images([str(only / "link")]) == [str(only / "link" / "deep" / "1.png")]


def test_the_folder_above_a_link_is_another_one(tmp_path):
    """``link/../x.png`` lies beside the folder that the link leads to."""
    (tmp_path / "else" / "deep").mkdir(parents=True)
    os.symlink(tmp_path / "else" / "deep", tmp_path / "link")
    near = write(tmp_path / "x.png")
    far = write(tmp_path / "else" / "x.png")
    behind = str(tmp_path / "link" / ".." / "x.png")
    assert find_images([near, behind]) == [near, behind]
    assert find_images([far, behind]) == [far]
    assert find_images([near, str(tmp_path / "else" / ".." / "x.png")]) == [near]


def test_every_format_that_is_read_is_found_in_a_folder(tmp_path):
    for suffix in SUFFIXES:
        # Only these two are not always built in.
        with contextlib.suppress(KeyError, OSError):
            Image.fromarray(PIXELS).save(tmp_path / f"x{suffix}")
    (tmp_path / "notes.txt").write_text("no image")
    found = find_images([str(tmp_path)])
    assert len(found) >= len(SUFFIXES) - 2
    for path in found:
        assert read_image(path).size == (7, 12), path


@pytest.mark.parametrize("orientation", [3, 6, 7])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_is_applied(suffix, orientation, tmp_path):
    """As by OpenCV, which viewers agree with."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / f"image.{suffix}")
    smooth = Image.fromarray(PIXELS).resize((30, 50))
    smooth.save(path, exif=exif, **({"quality": 95} if suffix == "jpg" else {"lossless": True}))
    found = read_image(path)
    if suffix == "tif":  # Pillow turns it by itself, OpenCV does not
        np.testing.assert_array_equal(found, ImageOps.exif_transpose(Image.open(path)))
    else:
        np.testing.assert_array_equal(found, cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB))
    assert found.size == ((30, 50) if orientation < 5 else (50, 30))
    np.testing.assert_array_equal(read_pixels(path), found)


def test_damaged_exif_turns_nothing(tmp_path):
    path = tmp_path / "x.jpg"
    Image.fromarray(PIXELS).save(path, exif=b"Exif\x00\x00no TIFF")
    assert read_image(str(path)).size == (7, 12)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "GIF"])
def test_what_is_transparent_is_white(mode, tmp_path):
    path = str(tmp_path / ("x.gif" if mode == "GIF" else "x.png"))
    alpha = np.full((12, 7), 255, np.uint8)
    alpha[:6] = 0
    image = Image.fromarray(np.dstack([PIXELS // 2, alpha]))
    if mode == "P":
        indices = Image.fromarray((alpha // 255).astype(np.uint8))
        indices.putpalette([10, 20, 30, 40, 50, 60])
        indices.save(path, transparency=0)
    elif mode == "RGB":
        colours = np.where(alpha[..., None], PIXELS // 2, 200)
        Image.fromarray(colours).save(path, transparency=(200, 200, 200))
    else:
        image.convert("RGBA" if mode == "GIF" else mode).save(path)
    found = np.asarray(read_image(path))
    assert (found[:6] == 255).all()
    assert (found[6:] < 160).all()
    np.testing.assert_array_equal(read_pixels(path), found)


def test_half_transparent_is_half_white(tmp_path):
    path = str(tmp_path / "x.png")
    Image.new("RGBA", (4, 4), (0, 100, 200, 128)).save(path)
    np.testing.assert_allclose(read_image(path).getpixel((0, 0)), (127, 177, 227), atol=1)


def test_nothing_to_find(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or folder 'none/.png'"):
        find_images(["none/.png"])
    with pytest.raises(FileNotFoundError, match=r"none.\*"):
        find_images(["none/*"])
    with pytest.raises(ValueError, match=r"there is no image in .*\.jpg \.jpeg .*\.webp"):
        find_images([str(tmp_path)])


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg", "webp"])
def test_the_same_pixels_as_torchreid(suffix, tmp_path):
    """Where nothing is transparent."""
    for mode in ("RGB", "L", "RGBA", "P", "CMYK", "LA"):
        path = str(tmp_path / f"image.{suffix}")
        try:
            Image.fromarray(PIXELS).convert(mode).save(path)
        except OSError:  # the format has no such mode
            continue
        found = read_image(path)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(found, torchreid.utils.read_image(path))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_greyscale_is_scaled_as_colour_is(suffix, tmp_path):
    values = (np.arange(84, dtype=np.uint32) * 780).astype(np.uint16).reshape(12, 7)
    path = write(tmp_path / f"deep.{suffix}", values)
    expected = np.repeat((values // 256)[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(read_pixels(path), expected)
    colour = str(tmp_path / "colour.png")
    cv2.imwrite(colour, np.repeat(values[..., None], 3, axis=2))
    np.testing.assert_array_equal(read_image(colour), expected)


def test_what_cannot_be_read_is_one_line(tmp_path):
    whole = write(tmp_path / "whole.jpg", np.kron(PIXELS, np.ones((20, 20, 1), np.uint8)))
    content = Path(whole).read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 30)
    (tmp_path / "line\nbreak.png").write_text("x")
    write(tmp_path / "float.tif", np.ones((4, 4), np.float32))
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in {
        "truncated.jpg": "image file is truncated",
        "header.png": "header.png is no readable image: ",
        "line\nbreak.png": r"line\nbreak.png is no readable image: its content is no known image",
        "float.tif": "save it with 8 bits",
        "pipe.png": "no such file",
    }.items():
        with pytest.raises(ValueError) as caught:
            read_image(str(tmp_path / name))
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_printable_text_is_left_alone():
    for text in ("0001_c1.png", "каталог/人.png", "$x$ <b>"):
        assert printable(text) == text
    assert printable("a\nb\x1b[31m\udcff\u202e") == r"a\nb\x1b[31m\udcff\u202e"
