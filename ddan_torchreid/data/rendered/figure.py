"""A jointed walking figure seen from any side: pose, projection, legs and arms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ddan_torchreid.data.rendered.canvas import (
    Canvas,
    Colour,
    Point,
    cosine,
    scaled,
    sine,
    weighted,
)
from ddan_torchreid.data.rendered.looks import Look

_HIP = 0.5
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.165, 0.15, 0.235, 0.225

Joint = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """How a person stands in one image; angles are in 1/256 turns.

    Attributes:
        yaw: direction of walking, 0 towards the camera, 64 to the right of the image.
        phase: position in the walking cycle.
        stride: size of the steps, 0 standing to 1.
        arms: 'swing', 'pocket', 'phone' or 'carry'.
        tilt: how far the camera looks down; nearer things are lower in the image.
    """

    yaw: int
    phase: int
    stride: float
    arms: str
    tilt: float


def random_pose(rng: np.random.Generator, direction: int, reverse: float, tilt: float) -> Pose:
    """A pose for someone who walks along ``direction``, or back with chance ``reverse``."""
    turn = 128 if rng.random() < reverse else 0
    yaw = int(direction + turn + rng.uniform(-18, 18)) % 256
    stride = 0.12 if rng.random() < 0.18 else rng.uniform(0.5, 1.0)
    arms = weighted(rng, ("swing", "pocket", "phone", "carry"), (6, 2, 1.4, 0.8))
    return Pose(yaw, int(rng.random() * 256), stride, arms, tilt)


class Figure:
    """A person placed in a canvas.

    Args:
        canvas: where to draw.
        look: clothes and build.
        pose: pose and view.
        foot: (x, y) of the point between the feet, in pixels.
        size: pixels per average stature.
        light_side: -1 when the light comes from the left of the image, 1 from the right.
        sun: depth of the body's own shadow, 0 to 1.
    """

    def __init__(
        self, canvas: Canvas, look: Look, pose: Pose, foot: Point, size: float,
        light_side: float, sun: float,
    ) -> None:  # fmt: skip
        self.canvas, self.look, self.pose = canvas, look, pose
        self.foot, self.size = foot, size * look.stature
        self.light_side, self.sun = light_side, sun
        self.cos, self.sin = cosine(pose.yaw), sine(pose.yaw)
        self.bob = 0.008 * pose.stride * cosine(2 * pose.phase)

    # ---- projection -------------------------------------------------------------------------

    def at(self, side: float, up: float, forward: float) -> Point:
        """Image point of a body point: ``side`` to the person's left, ``up`` from the ground."""
        depth = self.depth(side, forward)
        x = side * self.cos + forward * self.sin
        y = -(up + (self.bob if up > 0.3 else 0.0)) + depth * self.pose.tilt
        return self.foot[0] + x * self.size, self.foot[1] + y * self.size

    def depth(self, side: float, forward: float) -> float:
        """Distance towards the camera, in statures."""
        return forward * self.cos - side * self.sin

    def across(self, front: float, side: float) -> float:
        """Half width in statures of an elliptic cross-section, seen from the current side."""
        a, b = front * self.cos, side * self.sin
        return math.sqrt(a * a + b * b) * self.look.girth

    def rod(
        self, start: Joint, end: Joint, r_start: float, r_end: float, colour: Colour | None,
        light: float | None = 1.0,
    ) -> None:  # fmt: skip
        """A limb between two body points; radii in statures."""
        s, g = self.size, self.look.girth
        self.canvas.limb(
            self.at(*start), self.at(*end), r_start * s * g, r_end * s * g, colour, light
        )

    # ---- legs -------------------------------------------------------------------------------

    def leg(self, side: int, light: float) -> None:
        """Draw the left (1) or right (-1) leg with its trouser leg or shorts, and the shoe."""
        look, pose = self.look, self.pose
        swing = sine(pose.phase) * side * pose.stride * 18
        trailing = max(0.0, sine(pose.phase + 40) * -side) * pose.stride
        bend = swing - 6 - trailing * 26 if pose.stride > 0.2 else swing
        hip = (0.047 * side * look.girth, _HIP, 0.0)
        knee = (0.05 * side, _HIP - _THIGH * cosine(swing), _THIGH * sine(swing))
        up = max(0.035, knee[1] - _SHIN * cosine(bend))
        ankle = (0.05 * side, up, knee[2] + _SHIN * sine(bend))
        heel = (ankle[0], max(0.014, up - 0.024), ankle[2] - 0.018)
        toe = (0.06 * side, max(0.012, up - 0.025), ankle[2] + 0.085)
        self.rod(heel, toe, 0.021, 0.017, look.shoes, light)

        trousers = look.lower_kind == "trousers"
        bare = max(0.0, (look.lower_length - 0.04) / _SHIN) if trousers else 1.0
        self.rod(knee, ankle, 0.036, 0.025, look.lower if trousers else look.skin, light * 0.97)
        self.rod(hip, knee, 0.058, 0.038, look.lower if trousers else look.skin, light)
        if trousers and bare > 0.1:
            self.rod(_along(ankle, knee, bare), ankle, 0.024, 0.021, look.skin, light * 0.97)
        elif trousers:
            self.rod(knee, ankle, 0.037, 0.031, look.lower, light * 0.97)
        elif look.lower_kind == "shorts":
            hem = _along(hip, knee, min(1.0, (_HIP - look.lower_length) / _THIGH))
            self.rod(hip, hem, 0.062, 0.054, look.lower, light)
        shaded = (knee[0] - 0.02 * self.light_side, knee[1], knee[2])
        self.rod(shaded, ankle, 0.012, 0.01, None, light * 0.8)

    # ---- arms -------------------------------------------------------------------------------

    def arm_joints(self, side: int) -> tuple[Joint, Joint, Joint]:
        """Shoulder, elbow and hand of the left (1) or right (-1) arm."""
        pose, girth = self.pose, self.look.girth
        swing = -sine(pose.phase) * side * pose.stride * 14
        bend = swing + 8 + 6 * pose.stride
        out, inward = 0.022, 0.0
        if pose.arms == "pocket":
            swing, bend, out = -6, 14, 0.038
        elif pose.arms == "phone" and side == 1:
            swing, bend, out = 14, 88, 0.01
        elif pose.arms == "carry":
            swing, bend, inward = 6, 52, 0.03
        shoulder = (0.1 * girth * side, 0.794, 0.0)
        elbow = (
            (0.1 * girth + out) * side,
            shoulder[1] - _UPPER_ARM * cosine(swing),
            _UPPER_ARM * sine(swing),
        )
        hand = (
            (0.1 * girth + 0.008 - inward) * side,
            elbow[1] - _FOREARM * cosine(bend),
            elbow[2] + _FOREARM * sine(bend),
        )
        return shoulder, elbow, hand

    def arm(self, joints: tuple[Joint, Joint, Joint], light: float) -> None:
        """Draw an arm with its sleeve and hand."""
        look = self.look
        shoulder, elbow, hand = joints
        self.rod(elbow, hand, 0.023, 0.018, look.skin, light * 0.97)
        self.rod(shoulder, elbow, 0.033, 0.026, look.skin, light)
        self.rod(hand, hand, 0.019, 0.019, look.skin, light)
        contrasting = look.pattern == "block" and look.sleeve > 0.5
        sleeve = look.accent if contrasting else scaled(look.upper, 0.96)
        thick = 1.2 if look.hem < 0.45 else 1.05
        upper, fore = 0.031 * thick, 0.024 * thick
        if look.sleeve > 0:
            end = _along(shoulder, elbow, min(1.0, look.sleeve / 0.5))
            self.rod(shoulder, end, 0.037 * thick, upper, sleeve, light)
        if look.sleeve > 0.5:
            end = _along(elbow, hand, (look.sleeve - 0.5) / 0.5 * 0.92)
            self.rod(elbow, end, upper, fore, sleeve, light * 0.98)
            self.rod(elbow, elbow, 0.012, 0.012, None, light * 0.84)


def _along(start: Joint, end: Joint, share: float) -> Joint:
    x, y, z = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return x, y, z
