"""A walking person, seen from any side: capsules for limbs, polygons for clothes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .domains import Colour, whole
from .people import Look

Point = tuple[float, float]
Joint = tuple[float, float, float]
"""A point of the body, in statures: to the person's left, up from the ground, forward."""

# Heights of the torso's outline with its half width from the front and from the side.
_OUTLINE = ((0.85, 0.045, 0.04), (0.828, 0.095, 0.056), (0.8, 0.112, 0.064), (0.74, 0.108, 0.072),
            (0.62, 0.092, 0.068), (0.52, 0.102, 0.074), (0.3, 0.125, 0.09))  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """How a person walks in one image.

    Attributes:
        yaw: where to, in radians: 0 towards the camera, a quarter turn to the right.
        phase: position in the walking cycle, in radians.
        stride: largest angle between a thigh and the vertical, in radians.
        pockets: whether the hands are in there.
        tilt: how far the camera looks down.
        light: side that the light comes from, -1 (left) to 1.
    """

    yaw: float
    phase: float
    stride: float
    pockets: bool
    tilt: float
    light: float


def random_pose(rng: np.random.Generator, view: int, tilt: float, light: float) -> Pose:
    """A pose of somebody who walks along ``view`` (degrees), or, every fourth, back."""
    yaw = view + rng.uniform(-28, 28) + (180 if rng.random() < 0.25 else 0)
    stride = 0.08 if rng.random() < 0.15 else rng.uniform(0.25, 0.5)
    phase, pockets = rng.uniform(0, 2 * math.pi), bool(rng.random() < 0.25)
    return Pose(math.radians(yaw), phase, stride, pockets, tilt, light)


def draw_person(picture: Image.Image, look: Look, pose: Pose, foot: Point, size: float) -> None:
    """Draws a person into an RGB picture.

    Args:
        picture: changed in place.
        foot: point between the feet, in pixels.
        size: pixels of an average stature.
    """
    figure = _Figure(picture.size, look, pose, foot, size)
    figure.draw()
    # Rounder bodies: darker towards their edges, and on the side that the light does not reach.
    coarse = figure.mask.reduce(4)
    inside = np.asarray(coarse.filter(ImageFilter.GaussianBlur(0.0055 * size)), np.float32) / 255
    across = np.clip((np.arange(coarse.width) * 4 - foot[0]) / (0.2 * size), -1, 1)
    shade = (0.62 + 0.38 * inside) * (1 + 0.16 * (pose.light * across - abs(pose.light)))
    light = Image.fromarray((255 * shade).astype(np.uint8)).resize(picture.size)
    shaded = ImageChops.multiply(figure.layer, light.convert("RGB"))
    picture.paste(shaded, (0, 0), figure.mask)


class _Figure:
    def __init__(
        self, canvas: tuple[int, int], look: Look, pose: Pose, foot: Point, size: float
    ) -> None:
        self.look, self.pose, self.foot, self.size = look, pose, foot, size * look.stature
        self.cos, self.sin = math.cos(pose.yaw), math.sin(pose.yaw)
        self.layer = Image.new("RGB", canvas)
        self.mask = Image.new("L", canvas)
        self.pens = ImageDraw.Draw(self.layer), ImageDraw.Draw(self.mask)

    def at(self, joint: Joint) -> Point:
        side, up, forward = joint
        x = side * self.cos + forward * self.sin
        depth = forward * self.cos - side * self.sin
        y = -up + depth * self.pose.tilt
        return self.foot[0] + x * self.size, self.foot[1] + y * self.size

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self.pens[0].polygon(points, fill=whole(colour))
        self.pens[1].polygon(points, fill=255)

    def oval(self, centre: Point, rx: float, ry: float, colour: Colour) -> None:
        """Radii in statures."""
        (x, y), rx, ry = centre, rx * self.size, ry * self.size
        self.pens[0].ellipse((x - rx, y - ry, x + rx, y + ry), fill=whole(colour))
        self.pens[1].ellipse((x - rx, y - ry, x + rx, y + ry), fill=255)

    def capsule(self, start: Joint, end: Joint, first: float, last: float, colour: Colour) -> None:
        """A limb with radii in statures."""
        (x0, y0), (x1, y1) = self.at(start), self.at(end)
        first, last = first * self.look.girth, last * self.look.girth
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        u, v = (y0 - y1) / length * self.size, (x1 - x0) / length * self.size
        sides = [(x0 + u * first, y0 + v * first), (x1 + u * last, y1 + v * last),
                 (x1 - u * last, y1 - v * last), (x0 - u * first, y0 - v * first)]  # fmt: skip
        self.polygon(sides, colour)
        self.oval((x0, y0), first, first, colour)
        self.oval((x1, y1), last, last, colour)

    def band(self, top: float, bottom: float, left: float, right: float, colour: Colour) -> None:
        """A part of the torso between two heights, and from -1 (left edge) to 1 (right edge)."""
        heights = [top, *(h for h, _, _ in _OUTLINE if bottom < h < top), bottom]
        centres = [self.at((0, height, 0)) for height in heights]
        halves = [self.half_width(height) * self.size for height in heights]
        edges = [
            [(x + share * half, y) for (x, y), half in zip(centres, halves, strict=True)]
            for share in (left, right)
        ]
        self.polygon(edges[0] + edges[1][::-1], colour)

    def half_width(self, height: float) -> float:
        heights, fronts, sides = (column[::-1] for column in zip(*_OUTLINE, strict=True))
        front, side = (float(np.interp(height, heights, widths)) for widths in (fronts, sides))
        return math.hypot(front * self.cos, side * self.sin) * self.look.girth

    # ---- parts of the body, from the far side to the near one ------------------------------

    def draw(self) -> None:
        far = 1 if self.sin > 0 else -1
        behind = self.cos > 0
        self.arm(far, 0.8)
        if behind:
            self.backpack()
            self.long_hair()
        self.leg(far, 0.84)
        self.leg(-far, 1.0)
        self.torso()
        self.head()
        if not behind:
            self.long_hair()
            self.backpack()
        self.hand_and_shoulder_bag(-far)
        self.arm(-far, 0.92)

    def leg(self, side: int, light: float) -> None:
        look, pose = self.look, self.pose
        swing = side * pose.stride * math.sin(pose.phase)
        bend = 0.1 + max(0.0, -side * math.cos(pose.phase)) * 1.4 * pose.stride
        hip = (0.05 * side, 0.51, 0.0)
        knee = _step(hip, 0.235, swing)
        ankle = _step(knee, 0.225, swing - bend)
        toe = (0.06 * side, ankle[1] - 0.022, ankle[2] + 0.08)
        lower, skin = _lit(look.lower, light), _lit(look.skin, light)
        self.capsule((ankle[0], ankle[1] - 0.015, ankle[2] - 0.015), toe, 0.025, 0.018,
                     _lit(look.shoes, light))  # fmt: skip
        trousers = look.lower_kind == "trousers"
        self.capsule(knee, ankle, 0.04, 0.03 if trousers else 0.022, lower if trousers else skin)
        self.capsule(hip, knee, 0.06, 0.041, skin if look.lower_kind == "skirt" else lower)

    def torso(self) -> None:
        look = self.look
        top, hem = _OUTLINE[0][0], look.hem
        if look.lower_kind == "skirt":
            self.band(0.53, 0.3, -1.05, 1.05, look.lower)
        self.capsule((0, 0.84, 0), (0, 0.87, 0.01), 0.035, 0.032, _lit(look.skin, 0.85))
        self.band(0.55, min(hem, 0.5), -0.95, 0.95, look.lower)
        self.band(top, hem, -1, 1, look.upper)
        if look.pattern == "stripes":
            for height in np.arange(0.79, hem + 0.02, -0.062):
                self.band(height, height - 0.026, -1, 1, look.accent)
        elif look.pattern == "halves":
            self.band(0.68, hem, -1, 1, look.accent)
        # What is on the chest moves out of sight as the person turns.
        centre = 1.1 * self.sin
        if look.pattern == "print" and self.cos > 0.1:
            self.band(0.77, 0.66, max(-1, centre - 0.5), min(1, centre + 0.5), look.accent)
        elif look.pattern == "open" and self.cos > 0:
            self.band(top, hem, max(-1, centre - 0.3), min(1, centre + 0.3), look.accent)

    def arm(self, side: int, light: float) -> None:
        look, pose = self.look, self.pose
        swing = -side * 0.8 * pose.stride * math.sin(pose.phase)
        bend = swing + 0.35
        if pose.pockets:
            swing, bend = -0.35, 0.35
        shoulder = (0.106 * look.girth * side, 0.795, 0.0)
        elbow = _step((shoulder[0] + 0.015 * side, *shoulder[1:]), 0.16, swing)
        hand = _step(elbow, 0.145, bend)
        sleeve, skin = _lit(look.upper, light), _lit(look.skin, light)
        self.capsule(elbow, hand, 0.027, 0.019, sleeve if look.long_sleeves else skin)
        self.capsule(hand, hand, 0.021, 0.021, skin)
        self.capsule(shoulder, elbow, 0.036, 0.03, sleeve)

    def head(self) -> None:
        look, sin, cos = self.look, self.sin, self.cos
        hair = {"bald": look.skin, "hat": look.accent}.get(look.hair_style, look.hair)
        skull = self.at((0, 0.938, -0.008))
        self.oval(skull, 0.06, 0.07, hair)
        if cos > -0.5:
            x, y = skull
            face = x + 0.03 * sin * self.size, y + 0.018 * self.size
            self.oval(face, 0.048 - 0.012 * abs(sin), 0.056, look.skin)
            for eye in (-0.02, 0.02) if cos > 0.2 else ():
                where = face[0] + (eye * cos + 0.012 * sin) * self.size, face[1] - 0.01 * self.size
                self.oval(where, 0.006, 0.005, (40, 30, 30))

    def long_hair(self) -> None:
        if self.look.hair_style == "long":
            top, end = (0.0, 0.93, -0.025), (0.0, 0.8, -0.05)
            self.capsule(top, end, 0.056 if abs(self.cos) > 0.5 else 0.04, 0.045, self.look.hair)

    def backpack(self) -> None:
        if self.look.bag == "backpack":
            colour, back = self.look.bag_colour, -0.1
            half = self.size * (0.068 * abs(self.cos) + 0.04 * abs(self.sin))
            for top, bottom, share, light in ((0.81, 0.6, 1, 1.0), (0.7, 0.63, 0.7, 0.75)):
                (x, y0), (_, y1) = self.at((0, top, back)), self.at((0, bottom, back))
                w, corner = share * half, 0.02 * self.size
                outline = [(x - w, y1), (x - w, y0 + corner), (x - w + corner, y0)]
                outline += [(2 * x - px, py) for px, py in reversed(outline)]
                self.polygon(outline, _lit(colour, light))

    def hand_and_shoulder_bag(self, side: int) -> None:
        look = self.look
        if look.bag == "backpack" and self.cos > 0:  # its straps
            for share in (-0.55, 0.55):
                centre = share + 0.6 * self.sin
                self.band(0.835, 0.68, max(-1, centre - 0.09), min(1, centre + 0.09),
                          _lit(look.bag_colour, 0.8))  # fmt: skip
        if look.bag not in ("shoulder", "handbag"):
            return
        # Carried on the left: behind the body when that is the far side.
        left, height, half = 0.15 * look.girth, 0.43, 0.055
        if look.bag == "shoulder":
            height, half = 0.56, 0.06
            self.capsule((-0.07, 0.83, 0), (left, height, 0.0), 0.01, 0.01, look.bag_colour)
        if side == 1 or abs(self.sin) < 0.6:
            x, y = self.at((left, height, 0.02))
            w, h = half * self.size, 0.05 * self.size
            for bottom, light in ((h, 1.0), (-0.2 * h, 0.75)):  # the bag and its flap
                upper = [(x - 0.8 * w, y - h), (x + 0.8 * w, y - h)]
                lower = [(x + w, y + bottom), (x - w, y + bottom)]
                self.polygon(upper + lower, _lit(look.bag_colour, light))


def _step(joint: Joint, length: float, angle: float) -> Joint:
    """The other end of a limb that hangs from a joint, swung forward by an angle."""
    side, up, forward = joint
    return side, up - length * math.cos(angle), forward + length * math.sin(angle)


def _lit(colour: Colour, light: float) -> Colour:
    return colour[0] * light, colour[1] * light, colour[2] * light
