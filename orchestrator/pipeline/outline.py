"""The outline of an iris as points between pixels, drawn at any size with a soft edge of constant width."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask

Points = NDArray[np.float64]

INSET = 0.02  # iris radii between an outline and the edge of the picture
FRACTION_BITS = 6  # of a pixel, in the points that OpenCV fills between
FILLED_BEYOND_PX = 0.5  # OpenCV also fills the pixels that the line touches
SOFT_SIGMA_PX = 1.2  # of the edge: from a tenth to nine tenths in 3 pixels


@dataclass(frozen=True)
class Outline:
    """A closed line around what can be seen of an iris.

    `points` are (N, 2), x and y in pixels (a pixel's middle is at whole numbers), clockwise as one sees them.
    """

    points: Points

    def moved(self, left: float, top: float, scale: float) -> Self:
        """The same outline on the grid of a window that begins at pixel (left, top), resized by `scale`."""
        return type(self)((self.points - (left, top) + 0.5) * scale - 0.5)

    def inset(self, distance_px: float) -> Self:
        """The outline moved inwards, everywhere by the same distance."""
        along = np.roll(self.points, -1, axis=0) - np.roll(self.points, 1, axis=0)
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        inwards = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None]
        return type(self)(self.points + inwards * distance_px)

    def mask(self, height: int, width: int) -> Mask:
        """(height, width) bool: the pixels whose middle is inside."""
        filled = np.zeros((height, width), np.uint8)
        self.inset(FILLED_BEYOND_PX)._fill(filled, 1, cv2.LINE_8)
        return filled.view(bool)

    def alpha(self, height: int, width: int) -> NDArray[np.uint8]:
        """(height, width) opacity, 255 inside and 0 outside, soft over a few pixels."""
        filled = np.zeros((height, width), np.uint8)
        self.inset(FILLED_BEYOND_PX)._fill(filled, 255, cv2.LINE_AA)
        return np.asarray(cv2.GaussianBlur(filled, (0, 0), SOFT_SIGMA_PX), np.uint8)

    def _fill(self, canvas: NDArray[np.uint8], value: int, line: int) -> None:
        fixed = np.round(self.points * 2**FRACTION_BITS).astype(np.int32)
        cv2.fillPoly(canvas, [fixed], (value,), lineType=line, shift=FRACTION_BITS)
