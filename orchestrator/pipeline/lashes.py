"""Single lashes in front of an iris: thin dark strokes that come in over its outline."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks

# In iris radii:
WIDEST, SHORTEST = 0.05, 0.12  # of a lash
INSIDE, OUTSIDE = 0.05, 0.02  # how far a lash reaches on both sides of the outline; a fibre or crypt does not
LOOKED_AT = 0.15  # beyond the outline
SLENDER = 4  # times as long as wide
DARKER, LEAST_DARKER = 0.4, 10.0  # than what is around it, as a share of that and in grey levels
BLURRED = 0.012  # the blur of a lash's edge
MOST = 0.03  # of the iris; where more of it is covered, too little is known of what the lashes hide


def remove_lashes(photo: Pixels, masks: IrisMasks) -> Pixels:
    """The photo with what single lashes hide of the iris filled from both sides (Telea 2004); see `find_lashes`."""
    lashes = find_lashes(photo, masks)
    if not lashes.any():
        return photo
    margin = max(1, round(BLURRED * masks.circle.radius))
    hole = cv2.dilate(lashes.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8))
    left, top, width, height = cv2.boundingRect(hole)
    around = max(3, 2 * margin)
    box = np.s_[max(top - around, 0) : top + height + around, max(left - around, 0) : left + width + around]
    cleaned = photo.copy()
    filled = cv2.inpaint(np.ascontiguousarray(photo[box]), hole[box], around, cv2.INPAINT_TELEA)
    cleaned[box] = np.where(masks.iris[box][..., None], filled, photo[box])
    return cleaned


def find_lashes(photo: Pixels, masks: IrisMasks) -> Mask:
    """(H, W) bool: single lashes, as far as they are in front of the iris; none where they hide much of it.

    Args:
        photo: (H, W, 3) uint8 sRGB, best cropped to the iris.
        masks: on the photo's grid.
    """
    radius, iris = masks.circle.radius, masks.iris
    beyond = _distance(~iris)
    dark = _dark_strokes(photo, radius) & ~masks.pupil & (beyond < LOOKED_AT * radius)
    depth = _distance(np.pad(iris, 1))[1:-1, 1:-1]
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8), connectivity=8)
    lashes = np.zeros_like(iris)
    for piece in range(1, count):
        left, top, width, height = boxes[piece, :4]
        if np.hypot(width, height) < SHORTEST * radius:
            continue
        box = np.s_[top : top + height, left : left + width]
        inside = pieces[box] == piece
        crosses = depth[box][inside].max() > INSIDE * radius and beyond[box][inside].max() > OUTSIDE * radius
        if crosses and _is_stroke(inside, radius):
            lashes[box] |= inside
    lashes &= iris
    return lashes if np.count_nonzero(lashes) <= MOST * np.count_nonzero(iris) else np.zeros_like(iris)


def _dark_strokes(photo: Pixels, radius: float) -> Mask:
    """Where the photo is much darker than on both sides, within the width of a lash: the black top-hat transform."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    side = max(3, round(1.4 * WIDEST * radius) | 1)
    around = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(cv2.subtract(around, grey) > np.maximum(LEAST_DARKER, DARKER * around), bool)


def _is_stroke(mask: Mask, radius: float) -> bool:
    points = np.argwhere(mask).astype(np.float32)
    length = max(cv2.minAreaRect(points)[1])
    width = len(points) / max(length, 1.0)
    return bool(length > SHORTEST * radius and width < WIDEST * radius and length > SLENDER * width)


def _distance(mask: Mask) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
