"""Masks of a round, unobstructed iris, for tests that need no network."""

import numpy as np

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.segment import IrisMasks


def circle_at(x: float, y: float, radius: float) -> Circle:
    """A perfectly round circle."""
    return Circle(x, y, radius, outline_share=1.0, mask_share=1.0)


def round_outline(circle: Circle) -> Outline:
    """The circle as an outline."""
    angle = np.arange(720) * (2 * np.pi / 720)
    return Outline(
        np.column_stack([circle.x + circle.radius * np.cos(angle), circle.y + circle.radius * np.sin(angle)])
    )


def disc_masks(side: int, radius: float) -> IrisMasks:
    """An iris in the middle of a square, its pupil a third as wide, without reflections."""
    ys, xs = np.ogrid[0:side, 0:side]
    distance = np.hypot(xs - side / 2, ys - side / 2)
    no_reflection = np.zeros((side, side), bool)
    circle = circle_at(side / 2, side / 2, radius)
    return IrisMasks(distance < radius, distance < radius / 3, no_reflection, circle, 1.0, 1.0, round_outline(circle))
