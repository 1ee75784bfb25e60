"""Draws one dressed person, from the parts far from the camera to the near ones."""

from __future__ import annotations

from ddan_torchreid.data.rendered import clothes
from ddan_torchreid.data.rendered.figure import Figure


def draw_person(figure: Figure) -> None:
    """Draw the person with clothes and bags into the figure's canvas."""
    look = figure.look
    near = 1 if figure.sin < 0 else -1  # the body side (left = 1) that faces the camera
    seen_from_side = abs(figure.sin) > 0.4
    luggage_is_near = near == 1 or look.bag == "shoulder"
    long_hair = look.hair_style in ("long", "bob") and look.hat != "hood"
    facing = figure.cos > -0.2

    if look.bag == "backpack" and -0.1 < figure.cos <= 0.35:
        clothes.draw_backpack(figure)
    if not luggage_is_near:
        clothes.draw_hand_luggage(figure)
    for side in (-near, near):
        figure.leg(side, 0.78 if side == -near and seen_from_side else 0.95)
    arms = {side: figure.arm_joints(side) for side in (-near, near)}
    # A hand held before the chest hides behind the torso when the person walks away.
    reach = {side: figure.depth(hand[0], hand[2]) for side, (_, _, hand) in arms.items()}
    hidden = [side for side in arms if reach[side] < (-0.06 if side == near else 0.05)]
    for side in hidden:
        figure.arm(arms[side], 0.76 if seen_from_side else 0.9)
    clothes.draw_lower(figure)
    if long_hair and facing:
        clothes.draw_long_hair(figure)
    clothes.draw_top(figure)
    clothes.draw_head(figure)
    if long_hair and not facing:
        clothes.draw_long_hair(figure)
    if look.bag == "backpack" and not -0.1 < figure.cos <= 0.35:
        clothes.draw_backpack(figure)
    if luggage_is_near:
        clothes.draw_hand_luggage(figure)
    for side in arms:
        if side not in hidden:
            figure.arm(arms[side], 1.0 if side == near else 0.9)


def draw_shadow(figure: Figure) -> None:
    """Darken the ground under the person and, in sunlight, the side away from the light."""
    x, y = figure.foot
    s, sun = figure.size, figure.sun
    figure.canvas.ellipse((x, y - 0.01 * s), 0.15 * s, 0.035 * s, None, 0.62)
    if sun > 0.25:
        reach = (-0.7 if figure.light_side > 0 else 0.7) * s
        corners = [(x - 0.08 * s, y), (x + 0.08 * s, y), (x + reach + 0.09 * s, y - 0.13 * s),
                   (x + reach - 0.05 * s, y - 0.17 * s)]  # fmt: skip
        figure.canvas.polygon(corners, None, 1 - 0.5 * sun)
