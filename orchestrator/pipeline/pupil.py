"""The pupil, where what the network takes for it is a disc in the middle of the iris.

In irises that are nearly black the network marks any dark part as pupil. Filled or darkened as one, it would hide what
can still be seen of the iris.
"""

from itertools import product

import cv2
import numpy as np

from orchestrator.pipeline.geometry import Circle, fit_circle, intersection_over_union, largest_piece
from orchestrator.pipeline.looks import ProbabilityMap
from orchestrator.pipeline.pixels import Mask

MIN_OVERLAP = 0.82  # intersection over union of the disc and the mask
MIN_CLEAR = 0.3  # share of the disc that says enough about the rest of it
# In iris radii (an eye is photographed from the side, too, and a wide pupil has 8 of the iris's 12 mm):
LEAST_RADIUS, MOST_RADIUS, MOST_OFF_CENTRE = 0.1, 0.7, 0.35
TRIED_RADII, TRIED_OFFSETS = (0.15, 0.22, 0.3, 0.38, 0.46, 0.54), (-0.24, -0.16, -0.08, 0.0, 0.08, 0.16, 0.24)
STEPS = (0.04, 0.02, 0.01)  # by which the best disc tried is moved and resized
TRIED_PX = 32.0  # radius of the iris at which discs are tried


def fit_pupil(probabilities: ProbabilityMap, clear: Mask, iris: Circle) -> Circle | None:
    """The circle of the pupil; None where none can be told from the iris.

    Args:
        probabilities: (S, S), 0–1, that a pixel is pupil.
        clear: (S, S) bool, the visible iris without reflections; there alone the disc has to fit, or everywhere.
        iris: circle of the iris in the same pixels.
    """
    piece = largest_piece(probabilities > 0.5)
    fitted = fit_circle(piece)
    if fitted is None:
        return None
    if _is_placed_like_a_pupil(fitted, iris) and _overlap(fitted, piece, clear) >= MIN_OVERLAP:
        return fitted
    best = _best_disc(piece, clear, iris)
    return best if _overlap(best, piece, clear) >= MIN_OVERLAP else None


def _is_placed_like_a_pupil(circle: Circle, iris: Circle) -> bool:
    off_centre = np.hypot(circle.x - iris.x, circle.y - iris.y)
    return bool(
        LEAST_RADIUS <= circle.radius / iris.radius <= MOST_RADIUS and off_centre <= MOST_OFF_CENTRE * iris.radius
    )


def _overlap(circle: Circle, piece: Mask, clear: Mask) -> float:
    """How well a mask fits the disc, 0–1: everywhere, or where nothing is reflected if that is enough of the disc."""
    disc = circle.disc(*piece.shape)
    everywhere = intersection_over_union(disc, piece)
    if np.count_nonzero(disc & clear) < MIN_CLEAR * np.count_nonzero(disc):
        return everywhere
    return max(everywhere, intersection_over_union(disc & clear, piece & clear))


def _best_disc(piece: Mask, clear: Mask, iris: Circle) -> Circle:
    """Of many discs in the middle of the iris the one that overlaps most with the mask."""
    scale = min(1.0, TRIED_PX / iris.radius)
    small_piece, small_clear = (
        cv2.resize(mask.astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) > 0
        for mask in (piece, clear)
    )

    def disc(x: float, y: float, radius: float) -> Circle:
        return Circle(iris.x + x * iris.radius, iris.y + y * iris.radius, radius * iris.radius, 1.0, 1.0)

    def overlap(place: tuple[float, float, float]) -> float:
        return _overlap(disc(*place).scaled(scale), small_piece, small_clear)

    best = max(product(TRIED_OFFSETS, TRIED_OFFSETS, TRIED_RADII), key=overlap)
    for step in STEPS:
        moves = product((-step, 0.0, step), repeat=3)
        best = max(((best[0] + x, best[1] + y, best[2] + r) for x, y, r in moves), key=overlap)
    return disc(*best)
