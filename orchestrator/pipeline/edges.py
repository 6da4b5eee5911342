"""How clear an edge a photo has along an outline: limbus and lids are edges all around, a wrong outline is not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.pixels import Mask, Pixels

GRID_DIAMETERS = 2.0  # side of the grid that outlines are compared on, in iris diameters
DARKEST = 8.0  # grey levels added before the logarithm, so that noise in the dark is no contrast
EDGE = 0.15  # difference of logarithms that makes a clear edge
ACROSS = 1 / 16  # iris radii between an outline and where its two sides are compared
LEAST_SHARE = 0.015  # of the grid; a smaller mask has no outline worth reading
POINTS, SMOOTH = 240, 9  # of an outline; neighbours over which its direction is averaged


class Edges:
    """The contrasts of a photo in a square of it, on a grid of (S, S)."""

    def __init__(self, photo: Pixels, square: Square, side_px: int) -> None:
        picture = square.cut(photo, side_px).astype(np.float32)
        height, width = photo.shape[:2]
        middle = (np.arange(side_px) + 0.5) * square.side / side_px
        x, y = square.x + middle, square.y + middle
        self._logarithm = np.asarray(cv2.GaussianBlur(np.log(picture + DARKEST), (0, 0), 1.0), np.float32)
        self.inside: Mask = np.asarray(((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None])

    def along(self, piece: Mask) -> float:
        """How clear an edge there is along the outline of a mask (S, S) in one piece, 0–1.

        The mean over the outline of tanh(contrast / EDGE), the contrast being that of the channel that shows most of
        it; a sum along a curve after Daugman's integro-differential operator (1993). The photo's own edge says nothing.
        """
        if piece.mean() < LEAST_SHARE:
            return 0.0
        points, outwards = _outline(piece)
        reach = ACROSS * len(piece) / (2 * GRID_DIAMETERS)
        free = _at(self.inside.astype(np.float32), points + 2 * reach * outwards)[:, 0] > 0.5
        if not free.any():
            return 0.0
        beyond, within = (_at(self._logarithm, points + step * outwards) for step in (reach, -reach))
        return float(np.tanh(np.abs(beyond - within).max(axis=1)[free] / EDGE).mean())


def _outline(piece: Mask) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (POINTS, 2) along the outline of a mask, smoothed, and the directions outwards."""
    outlines, _ = cv2.findContours(piece.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(outlines, key=len)[:, 0].astype(np.float32)  # counter-clockwise as one sees it
    reach = min(SMOOTH, len(line))
    wrapped = np.concatenate([line[-reach:], line, line[:reach]])
    smooth = cv2.blur(wrapped, (1, 2 * reach + 1))[reach : reach + len(line)]
    along = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    chosen = np.linspace(0, len(line), POINTS, endpoint=False).astype(int)
    return smooth[chosen], np.column_stack([-along[:, 1], along[:, 0]])[chosen]


def _at(values: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) values at points (N, 2); beyond the grid those of its edge."""
    where = points.astype(np.float32)
    read = cv2.remap(values, where[:, :1], where[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32).reshape(len(points), -1)
