"""A place that may be an eye, and how likely it is one."""

from dataclasses import dataclass

import numpy as np

from orchestrator.pipeline.geometry import Circle, Square
from orchestrator.pipeline.looks import Look, ProbabilityMap

OUTSIDE, SECTORS, SCLERA_FROM = 0.15, 36, 0.4  # ring outside the circle, ± in radii; its parts; probability there


@dataclass(frozen=True)
class Candidate:
    """A place that may be an eye: the square looked at, what was seen in it, and the circle of its disc.

    `circle` is in the look's pixels, `circle_on_photo` in the photo's. `turn`: quarter turns, counter-clockwise, after
    which the eye stands upright. `edge`, 0–1: how clear an edge the photo has along the outline, see `Edges`.
    """

    square: Square
    look: Look
    circle: Circle
    circle_on_photo: Circle
    turn: int = 0
    edge: float = 1.0

    @property
    def confidence(self) -> float:
        """0–1: how likely this is an open eye, and how far the outline can be trusted."""
        return self.look.presence * outline_clarity(self.look.disc) * self.circle.mask_share

    @property
    def standing(self) -> float:
        """0–1: which of several candidates to believe: a confident one whose outline can be seen in the photo."""
        return self.confidence * self.edge

    @property
    def beside_sclera(self) -> float:
        """0–1: on how much of the circle's circumference there is sclera just outside; 1 if the network knows none."""
        ys, xs = np.mgrid[0 : len(self.look.sclera), 0 : len(self.look.sclera)]
        x, y = xs - self.circle.x, ys - self.circle.y
        ring = np.abs(np.hypot(x, y) / self.circle.radius - (1 + OUTSIDE)) < OUTSIDE
        sectors = ((np.arctan2(y[ring], x[ring]) / (2 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
        sclera = np.bincount(sectors, self.look.sclera[ring], SECTORS)
        pixels = np.maximum(np.bincount(sectors, minlength=SECTORS), 1)
        return float((sclera / pixels > SCLERA_FROM).mean()) if self.look.sclera.any() else 1.0


def outline_clarity(disc: ProbabilityMap) -> float:
    """How decided a map is, 0–1: 1 minus twice the doubt in it, as a share of what is taken for iris.

    The doubt of a pixel is p · (1 − p): next to none in a clear outline; much where lids, lashes or the dark hide the
    limbus, where looks disagree, or where nothing is an iris.
    """
    doubt = float((disc * (1 - disc)).sum())
    return max(0.0, 1.0 - 2 * doubt / max(float(disc.sum()), 1.0))
