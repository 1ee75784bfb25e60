"""Fast decoding: bit for bit what Pillow reads, and the same refusals."""

from __future__ import annotations

import io

import numpy as np
import pytest

from ddan_torchreid.data import loose_images
from ddan_torchreid.data.loose_images import read_image, read_pixels
from tests.data.bad_files import BAD, damage
from tests.data.pictures import pedestrian


def encoded(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    pedestrian(37, 21).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(encoded(mode) for mode in ("RGB", "L", "YCbCr")),
        *(encoded(subsampling=subsampling) for subsampling in (0, 1, 2)),
        encoded(progressive=True),
        encoded(quality=30, restart_marker_blocks=2),
        encoded() + b"bytes behind the end" * 20,
        *(encoded(mode, "PNG") for mode in ("RGB", "RGBA", "LA", "P", "1")),
        encoded(kind="BMP"),
        encoded(kind="TIFF"),
    ],
)
def test_every_kind_of_file_is_read_as_by_pillow_whatever_its_suffix(data, tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(data)
    pixels = read_pixels(str(path))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, read_image(str(path)))


def test_cmyk_is_read_as_by_pillow_to_one_level(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded("CMYK"))
    difference = read_pixels(str(path)).astype(int) - np.asarray(read_image(str(path)))
    assert np.abs(difference).max() <= 1


def test_what_opencv_cannot_decode_is_pillows(tmp_path, monkeypatch):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded())
    monkeypatch.setattr(loose_images.cv2, "imdecode", lambda *_: None)
    np.testing.assert_array_equal(read_pixels(str(path)), read_image(str(path)))


@pytest.mark.parametrize("how", BAD)
def test_a_bad_file_gives_the_error_of_the_slow_reader(how, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded())
    damage(path, how)
    messages = []
    for reader in (read_image, read_pixels):
        with pytest.raises(ValueError, match="is no readable image") as error:
            reader(str(path))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert str(path) in messages[0]


def test_a_jpeg_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    path, data = tmp_path / "image.jpg", encoded()
    for end in range(1, len(data), 37):
        path.write_bytes(data[:end])
        with pytest.raises(ValueError, match="is no readable image"):
            read_pixels(str(path))
