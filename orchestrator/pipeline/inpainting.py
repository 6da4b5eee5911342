"""Fill what a reflection hides, in the iris and in the pupil.

The iris is filled unrolled (angle × radius, after Daugman): fibres are straight there and one distance from the centre
is one column, so that filling runs along the fibres and across them. The pupil is filled with its own colour.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.pixels import Mask, Pixels

Window = tuple[slice, slice]  # rows and columns

ANGLES, RADII = 1024, 320  # size of the unrolled iris
SEAM_PX = 64  # of it that are repeated on the other side, because angles go round
HALF_SIZE_RADIUS_PX = 3  # Telea's neighbourhood at half size
DETAIL_SIGMA_PX = 6.0
SECTORS_TRIED = 4
PUPIL_MAX = 45.0  # grey levels: no pupil is lighter


def fill_iris(photo: Pixels, unknown: Mask, circle: Circle, window: Window) -> Pixels:
    """The window of the photo with what is unknown in it filled.

    Inpaint the unrolled iris, lay other sectors' fibres over it, and roll it up again.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        unknown: (H, W) bool, what to fill; with lids and pupil in it, neither bleeds into the iris.
        circle: of the iris.
        window: of the photo that is needed, (h, w, 3).
    """
    size, centre = (RADII, ANGLES), (circle.x, circle.y)
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    unrolled = np.asarray(cv2.warpPolar(photo, size, centre, circle.radius, flags), np.uint8)
    hole = cv2.warpPolar(unknown.astype(np.uint8), size, centre, circle.radius, cv2.WARP_POLAR_LINEAR)
    hole = cv2.dilate(hole, np.ones((5, 5), np.uint8))
    continued = np.concatenate([unrolled[-SEAM_PX:], unrolled, unrolled[:SEAM_PX]])
    continued_hole = np.concatenate([hole[-SEAM_PX:], hole, hole[:SEAM_PX]])
    smooth = _inpaint(continued, continued_hole)[SEAM_PX:-SEAM_PX]
    filled = _add_fibres(smooth, unrolled, hole > 0)
    ys, xs = np.mgrid[window].astype(np.float32)
    dx, dy = xs - circle.x, ys - circle.y
    angle = (np.arctan2(dy, dx) / (2 * np.pi) % 1.0) * ANGLES
    radius = np.hypot(dx, dy) / circle.radius * RADII
    closed = np.concatenate([filled, filled[:1]])
    return np.asarray(
        cv2.remap(closed, radius.astype(np.float32), angle.astype(np.float32), cv2.INTER_LINEAR), np.uint8
    )


def fill_pupil(photo: Pixels, unknown: Mask, pupil: Mask) -> NDArray[np.float32]:
    """(H, W, 3): the photo with the unknown part of the pupil, and a little around it, in the pupil's darker colours.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        unknown: (H, W) bool.
        pupil: (H, W) bool, not empty.
    """
    known = pupil & ~unknown
    dark = np.minimum(np.percentile(photo[known], 25, axis=0), PUPIL_MAX) if known.any() else np.full(3, 8.0)
    ys, xs = np.nonzero(pupil)
    pad = max(8, (xs.max() - xs.min()) // 6)
    box = np.s_[max(ys.min() - pad, 0) : ys.max() + pad, max(xs.min() - pad, 0) : xs.max() + pad]
    hole = (~known[box]).astype(np.uint8)
    filled = _inpaint(photo[box], hole)
    out = photo.astype(np.float32)
    out[box] = np.where(hole[..., None] > 0, np.minimum(filled, dark + 4), photo[box])
    return np.asarray(out, np.float32)


def _inpaint(picture: Pixels, hole: NDArray[np.uint8]) -> Pixels:
    """Telea's inpainting (2004) at half size, an eighth of the work: what it fills is smooth, detail comes after."""
    height, width = picture.shape[:2]
    size = max(width // 2, 1), max(height // 2, 1)
    known = (hole == 0).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    weighted = cv2.resize(picture * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = np.clip(weighted / np.maximum(weight, 1e-3)[..., None] + 0.5, 0, 255).astype(np.uint8)
    filled = cv2.inpaint(small, (weight < 0.25).astype(np.uint8), HALF_SIZE_RADIUS_PX, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None] > 0, large, picture).astype(np.uint8)


def _add_fibres(smooth: Pixels, unrolled: Pixels, hole: Mask) -> Pixels:
    """Lay the fine detail of other sectors, at the same radius, over what inpainting left smooth.

    Sectors that cover most of the hole go first; among equals, the nearest.
    """
    detail = unrolled.astype(np.float32) - cv2.GaussianBlur(unrolled, (0, 0), DETAIL_SIGMA_PX)
    near_hole = cv2.dilate(hole.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0  # its rim would pass for detail
    turns = [round(ANGLES * t / 16) for t in (1, -1, 2, -2, 3, -3, 4, -4, 6, -6, 8)]
    turns.sort(key=lambda t: np.count_nonzero(near_hole & np.roll(near_hole, t, axis=0)))
    out, remaining = smooth.astype(np.float32), hole.copy()
    for turn in turns[:SECTORS_TRIED]:
        usable = remaining & ~np.roll(near_hole, turn, axis=0)
        fade = cv2.GaussianBlur(usable.astype(np.float32), (0, 0), 1.5)[..., None] * usable[..., None]
        out += np.roll(detail, turn, axis=0) * fade
        remaining &= ~usable
    return np.asarray(np.clip(out + 0.5, 0, 255), np.uint8)
