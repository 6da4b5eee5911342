"""The two kinds of curves that bound an iris, fitted to points of a mask's outline: its limbus, and lids.

Both fits are robust (Tukey's biweight, whose width narrows from step to step): lashes, reflections and the network's
wobble pull at single points only.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.pixels import Mask

Points = NDArray[np.float64]
Values = NDArray[np.float64]

# In iris radii, from the first step of a fit to the last:
LIMBUS_WIDTHS = (0.06, 0.05, 0.04, 0.03, 0.025, 0.02, 0.02, 0.02)
LID_WIDTHS = (0.2, 0.12, 0.08, 0.06, 0.03, 0.03, 0.03)
# How many points, of a full turn of them, the start of a fit counts for:
CENTRE_PRIOR, OVAL_PRIOR = 1 / 700, 1 / 18
STRAIGHT_PRIOR = 0.002  # for each degree above a line's
OUTLIER_WEIGHT = 1e-3
LEAST_Q = 0.3  # of a limbus: keeps it finite where nothing holds it
BEYOND = 0.1  # in iris radii; further from its points than this a lid goes on straight


@dataclass(frozen=True)
class Limbus:
    """A near-circular oval around a circle: 1 / radius² is a sum of sines and cosines of up to twice the angle.

    For an ellipse about the circle's centre that is exact.
    """

    circle: Circle
    coefficients: Values

    @classmethod
    def fit(cls, points: Points, on_edge: Mask, circle: Circle) -> Self:
        """Fit to (N, 2) points, without those that are `on_edge` (N,) of the photo, from a circle near to them."""
        angle, distance = _polar(points, circle)
        basis, q = _harmonics(angle), np.maximum(distance, LEAST_Q) ** -2
        prior = np.array([CENTRE_PRIOR] * 3 + [OVAL_PRIOR] * 2) * len(points)
        round_ = np.array([1.0, 0, 0, 0, 0])
        limbus = cls(circle, round_)
        for width in LIMBUS_WIDTHS:
            weight = _biweight(limbus.beyond(points), width) * ~on_edge
            weighted = (basis * weight[:, None]).T
            limbus = cls(circle, np.linalg.solve(weighted @ basis + np.diag(prior), weighted @ q + prior * round_))
        return limbus

    def beyond(self, points: Points) -> Values:
        """How far each of (N, 2) points is outside, in iris radii; negative inside."""
        angle, distance = _polar(points, self.circle)
        return np.asarray(distance - np.maximum(_harmonics(angle) @ self.coefficients, LEAST_Q) ** -0.5)


@dataclass(frozen=True)
class Lid:
    """A polynomial over the line between the ends of its points; below zero the lid covers the iris.

    `origin`, `along` and `inwards` are (2,): the frame of the polynomial. Lengths along it are in iris radii.
    """

    origin: Values
    along: Values
    inwards: Values
    radius: float
    half_length: float
    coefficients: Values
    misfit: float

    @classmethod
    def fit(cls, points: Points, inside: Values, radius: float, degree: int = 2) -> Self:
        """Fit to (N, 2) neighbouring points, N > `degree`; `inside` (2,) is a point on the visible side."""
        origin, chord = (points[0] + points[-1]) / 2, points[-1] - points[0]
        length = max(float(np.hypot(*chord)), 1e-6)
        along = chord / length
        inwards = np.array([-along[1], along[0]])
        if (inside - origin) @ inwards < 0:
            inwards = -inwards
        x, y = (points - origin) @ along / radius, (points - origin) @ inwards / radius
        basis, weight = np.vander(x, degree + 1), np.ones(len(x))
        prior = np.diag([STRAIGHT_PRIOR * len(x)] * (degree - 1) + [1e-9, 1e-9])
        coefficients = np.zeros(degree + 1)
        for width in LID_WIDTHS:
            weighted = (basis * weight[:, None]).T
            coefficients = np.linalg.solve(weighted @ basis + prior, weighted @ y)
            weight = np.maximum(_biweight(y - basis @ coefficients, width), OUTLIER_WEIGHT)
        misfit = float(np.abs(y - basis @ coefficients).mean())
        return cls(origin, along, inwards, radius, length / 2 / radius + BEYOND, coefficients, misfit)

    def beyond(self, points: Points) -> Values:
        """How far each of (N, 2) points is behind the lid, in iris radii; negative in front."""
        x, y = (points - self.origin) @ self.along / self.radius, (points - self.origin) @ self.inwards / self.radius
        near = np.clip(x, -self.half_length, self.half_length)
        slope = np.polyval(np.polyder(self.coefficients), near)
        return np.asarray((np.polyval(self.coefficients, near) + slope * (x - near) - y) / np.hypot(1.0, slope))


def _polar(points: Points, circle: Circle) -> tuple[Values, Values]:
    """Angles in radians and distances in radii of (N, 2) points from the circle's centre."""
    dx, dy = points[:, 0] - circle.x, points[:, 1] - circle.y
    return np.arctan2(dy, dx), np.hypot(dx, dy) / circle.radius


def _harmonics(angle: Values) -> Values:
    ones = np.ones_like(angle)
    return np.stack([ones, np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)


def _biweight(residual: Values, width: float) -> Values:
    return np.asarray(np.maximum(1.0 - (residual / width) ** 2, 0.0) ** 2)
