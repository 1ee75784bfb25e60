"""How a camera turns light into an image: colour response, blur, noise, resolution, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ddan_torchreid.data.rendered.canvas import Colour, Pixels, generator, resized
from ddan_torchreid.data.rendered.styles import Style

_LEVELS = np.arange(256, dtype=np.float32)


@dataclass(frozen=True)
class Camera:
    """The response of one camera; see ``domains.Style`` for the meaning of the shared names.

    ``gamma`` is in hundredths, so that its tone curve can be kept.
    """

    white: Colour
    gamma: int
    contrast: float
    saturation: float
    lift: float
    blur: int
    noise: int
    resolution: float
    jpeg: int
    tilt: float
    light_side: float


@lru_cache(maxsize=1024)
def camera_of(domain: str, style: Style, index: int) -> Camera:
    """Camera ``index`` of a domain: its style's response, changed by the style's ``spread``."""
    rng = generator("camera", domain, index)
    spread = style.spread
    red, green, blue = (gain * (1 + spread * rng.uniform(-0.07, 0.07)) for gain in style.white)
    return Camera(
        white=(red, green, blue),
        gamma=round(100 * style.gamma * (1 + spread * rng.uniform(-0.13, 0.13))),
        contrast=style.contrast * (1 + spread * rng.uniform(-0.1, 0.1)),
        saturation=style.saturation * (1 + spread * rng.uniform(-0.18, 0.18)),
        lift=style.lift + spread * rng.uniform(0, 8),
        blur=style.blur + (1 if rng.random() < 0.3 * spread else 0),
        noise=round(style.noise * (1 + spread * rng.uniform(-0.3, 0.3))),
        resolution=style.resolution,
        jpeg=style.jpeg,
        tilt=style.tilt * (1 + spread * rng.uniform(-0.3, 0.3)),
        light_side=rng.uniform(-1, 1),
    )


@lru_cache(maxsize=1024)
def _tone_curve(gamma: int) -> npt.NDArray[np.float32]:
    # Rounded to 1/1000 grey value: the last bits of pow differ between processors.
    values = [round(255 * (level / 255) ** (gamma / 100), 3) for level in range(256)]
    return np.array(values, np.float32)


def _smooth(image: Pixels) -> Pixels:
    """One pass of the filter (1, 2, 1) / 4 along both axes, in integers."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge").astype(np.uint16)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:] + 8) >> 4).astype(np.uint8)


def _response(camera: Camera, exposure: float, drift: Colour) -> npt.NDArray[np.uint8]:
    """Look-up table (256, 3) of exposure, white balance, tone curve, contrast and black level."""
    curve = _tone_curve(camera.gamma)
    table = np.empty((256, 3), np.uint8)
    for channel in range(3):
        gain = camera.white[channel] * exposure * drift[channel]
        index = np.minimum(_LEVELS * np.float32(gain), 255).astype(np.int32)
        value = (curve[index] - 118) * np.float32(camera.contrast) + 118
        value = camera.lift + value * np.float32((255 - camera.lift) / 255)
        table[:, channel] = np.clip(value + np.float32(0.5), 0, 255).astype(np.uint8)
    return table


def _compressed(image: Pixels, quality: int) -> Pixels:
    """``image`` with the artefacts of JPEG compression."""
    ok, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
    if decoded is None:
        raise RuntimeError("OpenCV could not make a JPEG image in memory")
    return np.asarray(decoded[:, :, ::-1], np.uint8)


def expose(image: Pixels, camera: Camera, rng: np.random.Generator, motion: bool) -> Pixels:
    """What the camera records of a scene.

    Args:
        image: (H, W, 3) RGB light of the scene.
        camera: the camera.
        rng: source of exposure, colour drift and noise.
        motion: whether the shot is blurred sideways by motion.

    Returns:
        (H, W, 3) RGB image.
    """
    height, width = image.shape[:2]
    for _ in range(camera.blur):
        image = _smooth(image)
    if motion:
        wide = np.pad(image, ((0, 0), (1, 2), (0, 0)), mode="edge").astype(np.uint16)
        total = wide[:, :-3] + wide[:, 1:-2] + wide[:, 2:-1] + wide[:, 3:]
        image = ((total + 2) >> 2).astype(np.uint8)
    exposure = rng.uniform(0.85, 1.16)
    drift = (rng.uniform(0.96, 1.04), 1.0, rng.uniform(0.96, 1.04))
    recorded = cv2.LUT(image, _response(camera, exposure, drift)[None])

    signed = recorded.astype(np.int32)
    grey = (signed @ np.array([77, 150, 29], np.int32))[:, :, None] >> 8
    signed = grey + (((signed - grey) * round(128 * camera.saturation)) >> 7)
    # Mostly brightness noise and some colour noise, as sensors have after demosaicing.
    luma = rng.integers(0, 256, (height, width, 1), np.uint8).astype(np.int32) - 128
    chroma = rng.integers(0, 256, (height, width, 3), np.uint8).astype(np.int32) - 128
    signed += (luma * camera.noise) >> 7
    signed += (chroma * camera.noise) >> 8
    image = np.clip(signed, 0, 255).astype(np.uint8)

    if camera.resolution < 1:
        share = camera.resolution
        image = resized(resized(image, round(width * share), round(height * share)), width, height)
    if camera.jpeg:
        image = _compressed(image, camera.jpeg)
    return np.ascontiguousarray(image)
