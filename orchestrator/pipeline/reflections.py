"""Find what the cornea mirrors and fill it so that the fibres run on.

Both happen on the unrolled iris (angle × radius): there a ring of equal depth is a row, so brightness is compared with
its own ring, and filling runs along and across the fibres instead of across the pupil.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.images import Mask, Pixels

ANGLES, RADII = 1024, 320
REACH = 1.04  # a little past the limbus
FILL_RADIUS_PX = 5
MAX_SHARE = 0.35  # of the iris; more than this is a bright iris, not a reflection


@dataclass(frozen=True)
class Cleaned:
    """The photo without highlights, where they were (H, W) bool, and their share of the iris, 0–1."""

    photo: Pixels
    highlights: Mask
    share: float


def find_highlights(photo: Pixels, iris: Mask, pupil: Mask, circle: Circle) -> Mask:
    """(H, W) bool: pixels in the iris that are much brighter than their own ring, grown to their soft edge."""
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    usual, spread = _ring_statistics(light, iris, pupil, circle)
    excess = light - usual
    core = iris & (excess > np.maximum(45.0, 4.0 * spread)) & (light > 110)
    core |= iris & (light > 235)
    rim = iris & (excess > np.maximum(18.0, 1.8 * spread))
    size = max(3, round(circle.radius * 0.035) | 1)
    near = cv2.dilate(core.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3 * size, 3 * size))) > 0
    grown = (core | (rim & near)).astype(np.uint8)
    grown = cv2.dilate(grown, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray((grown > 0) & iris, bool)


def _ring_statistics(
    light: NDArray[np.float32], iris: Mask, pupil: Mask, circle: Circle
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each pixel the median brightness of its ring (pupil and iris apart) and the spread about it."""
    height, width = light.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    ring = np.clip(np.hypot(xs - circle.x, ys - circle.y) / circle.radius * 24, 0, 31).astype(np.int32)
    ring = np.where(pupil, 32, ring)
    usual, spread = np.zeros(33, np.float32), np.full(33, 10.0, np.float32)
    values, which = light[iris], ring[iris]
    overall = float(np.median(values)) if values.size else 0.0
    for k in range(33):
        mine = values[which == k]
        usual[k] = np.median(mine) if mine.size > 30 else overall
        spread[k] = 1.48 * np.median(np.abs(mine - usual[k])) if mine.size > 30 else 10.0
    usual = np.minimum(usual, np.percentile(values, 70) if values.size else 255)
    return usual[ring], spread[ring]


def remove_reflections(photo: Pixels, iris: Mask, pupil: Mask, circle: Circle) -> Cleaned:
    """Find and fill the reflections inside `iris`.

    Args:
        photo: (H, W, 3) uint8 sRGB, best cropped to the iris; the masks and the circle on its grid.
    """
    highlights = find_highlights(photo, iris, pupil, circle)
    share = float(highlights.sum() / max(int(iris.sum()), 1))
    if share == 0.0 or share > MAX_SHARE:
        nothing = np.zeros_like(highlights)
        return Cleaned(photo, nothing if share > MAX_SHARE else highlights, share)
    filled = _fill_unrolled(photo, highlights, iris, circle)
    soft = cv2.GaussianBlur(highlights.astype(np.float32), (0, 0), max(0.6, circle.radius * 0.008))
    alpha = np.maximum(soft, highlights)[..., None] * iris[..., None]
    out = photo + (filled.astype(np.float32) - photo) * alpha
    return Cleaned(np.clip(out + 0.5, 0, 255).astype(np.uint8), highlights, share)


def _fill_unrolled(photo: Pixels, highlights: Mask, iris: Mask, circle: Circle) -> Pixels:
    """Telea's inpainting on the unrolled iris, rolled up again; lids count as unknown so that they do not bleed in."""
    size, centre, reach = (RADII, ANGLES), (circle.x, circle.y), circle.radius * REACH
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR
    unrolled = cv2.warpPolar(photo, size, centre, reach, flags | cv2.WARP_FILL_OUTLIERS)
    hole = cv2.warpPolar((highlights | ~iris).astype(np.uint8), size, centre, reach, cv2.WARP_POLAR_LINEAR)
    hole = cv2.dilate(hole, np.ones((5, 5), np.uint8))
    pad = 64  # the angle goes round: let the fill see across the seam
    wide = np.concatenate([unrolled[-pad:], unrolled, unrolled[:pad]])
    wide_hole = np.concatenate([hole[-pad:], hole, hole[:pad]])
    repaired = cv2.inpaint(wide, wide_hole, FILL_RADIUS_PX, cv2.INPAINT_TELEA)[pad:-pad]
    ys, xs = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]].astype(np.float32)
    dx, dy = xs - circle.x, ys - circle.y
    angle = (np.arctan2(dy, dx) / (2 * np.pi) % 1.0) * ANGLES
    radius = np.hypot(dx, dy) / reach * RADII
    around = np.concatenate([repaired, repaired[:1]])
    return np.asarray(
        cv2.remap(around, radius.astype(np.float32), angle.astype(np.float32), cv2.INTER_LINEAR), np.uint8
    )
