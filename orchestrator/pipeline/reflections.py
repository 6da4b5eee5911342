"""Find what the cornea mirrors and fill it so that the fibres run on.

The segmenter marks reflections. They are filled on the unrolled iris (angle × radius), where fibres are straight and
equal depth is a column, so filling runs along and across them; the pupil is filled by its own colour.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle, fit_circle
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks

ANGLES, RADII = 1024, 320
FILL_RADIUS_PX = 5
DETAIL_SIGMA_PX = 6.0
CLIPPED, OVEREXPOSED = 252, 0.03  # lightness of a sensor at its limit; share of the iris
VEIL_AREA, VEIL_ALONG = 0.15, 0.06  # of the iris and of its outline
GLARE = 40  # lightness (0–255) above the lightest fibres
PUPIL_MAX = 45.0  # grey level
FADE, PUPIL_EDGE = 0.03, 0.014  # of the radius: widths of the soft transitions
SECTORS_TRIED = 4


@dataclass(frozen=True)
class Cleaned:
    """The photo without highlights, where it was filled (H, W) bool, and the share of the iris that mirrors, 0–1."""

    photo: Pixels
    highlights: Mask
    share: float


def find_highlights(photo: Pixels, masks: IrisMasks) -> Mask:
    """(H, W) bool: where the network sees a reflection, or the light is clipped.

    Near white alone is no sign: pale fibres in good light reach it; and where much of the iris is clipped, it is the
    exposure.
    """
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0]
    clipped = masks.iris & (light >= CLIPPED) & ~masks.mirrored
    if clipped.sum() > OVEREXPOSED * masks.iris.sum():
        clipped = np.zeros_like(clipped)
    return np.asarray((masks.mirrored | clipped) & masks.iris, bool)


def remove_reflections(photo: Pixels, masks: IrisMasks) -> Cleaned:
    """Find and fill the reflections inside the iris.

    Args:
        photo: (H, W, 3) uint8 sRGB, best cropped to the iris.
        masks: what the segmenter found, on the photo's grid.
    """
    iris, pupil, circle = masks.iris, masks.pupil, masks.circle
    highlights = find_highlights(photo, masks)
    share = float(highlights.sum() / max(int(iris.sum()), 1))
    hole = fit_circle(pupil)
    inner = _disc_of(hole, pupil) & iris if hole else pupil
    veils = _veils(highlights, iris, circle.radius)
    if veils.any():
        veils &= ~_glare(photo, highlights, iris, circle.radius)
    highlights &= inner | ~veils
    if not highlights.any():
        return Cleaned(photo, highlights, share)
    alpha = _fading(highlights, max(2, round(FADE * circle.radius)))
    hole_and_rim = alpha > 0
    filled = _fill_unrolled(photo, hole_and_rim | ~iris | inner, circle).astype(np.float32)
    if inner.any():
        soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), max(0.7, PUPIL_EDGE * circle.radius))[..., None]
        filled += (_fill_pupil(photo, hole_and_rim, inner) - filled) * soft
    out = photo + (filled - photo) * (alpha * iris)[..., None]
    return Cleaned(np.clip(out + 0.5, 0, 255).astype(np.uint8), highlights, share)


def _fading(highlights: Mask, rim_px: int) -> NDArray[np.float32]:
    """1 in the highlights, falling to 0 over a rim around them, in which the photo and the filling cross over."""
    away = cv2.distanceTransform((~highlights).astype(np.uint8), cv2.DIST_L2, 5)
    t = np.clip(1.0 - away / rim_px, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _veils(highlights: Mask, iris: Mask, radius_px: float) -> Mask:
    """Large pieces that lie along the iris's outline: a sky leaves more of the iris visible than a guess would."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(highlights.astype(np.uint8), connectivity=8)
    outline = iris & (_depth(iris) < max(2.0, 0.05 * radius_px))
    along = np.bincount(labels[outline], minlength=len(stats)) / max(int(outline.sum()), 1)
    veil = (stats[:, cv2.CC_STAT_AREA] > VEIL_AREA * iris.sum()) & (along > VEIL_ALONG)
    veil[0] = False
    return np.asarray(veil[labels], bool)


def _depth(iris: Mask) -> NDArray[np.float32]:
    """How far each pixel of the iris is from its outline, in pixels."""
    deep = cv2.distanceTransform(np.pad(iris.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(deep, np.float32)


def _glare(photo: Pixels, highlights: Mask, iris: Mask, radius_px: float) -> Mask:
    """What is much lighter than the clear part of the iris: a lamp that shines through a mirrored sky."""
    light = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0], (0, 0), max(0.7, 0.01 * radius_px))
    clear = iris & ~highlights
    if not clear.any():
        return np.zeros_like(iris)
    within = _depth(iris) > 0.06 * radius_px  # nearer to the outline the white of the eye shines in
    glare = ((light > np.percentile(light[clear], 90) + GLARE) & within).astype(np.uint8)
    size = round(radius_px * 0.02) * 2 + 1
    return np.asarray(cv2.dilate(glare, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0, bool)


def _disc_of(circle: Circle, like: Mask) -> Mask:
    ys, xs = np.ogrid[0 : like.shape[0], 0 : like.shape[1]]
    return np.asarray(np.hypot(xs - circle.x, ys - circle.y) <= circle.radius, bool)


def _inpaint(picture: Pixels, hole: NDArray[np.uint8]) -> Pixels:
    """Telea's inpainting (2004) at half size, an eighth of the work: what it fills is smooth, detail comes after."""
    height, width = picture.shape[:2]
    size = max(width // 2, 1), max(height // 2, 1)
    known = (hole == 0).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(picture * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = np.clip(seen / np.maximum(weight, 1e-3)[..., None] + 0.5, 0, 255).astype(np.uint8)
    filled = cv2.inpaint(small, (weight < 0.25).astype(np.uint8), FILL_RADIUS_PX // 2 + 1, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None] > 0, large, picture).astype(np.uint8)


def _fill_pupil(photo: Pixels, unknown: Mask, pupil: Mask) -> NDArray[np.float32]:
    """(H, W, 3): the pupil's own colours; where they are unknown its darker part going on, also a little beyond it."""
    seen = pupil & ~unknown
    usual = np.minimum(np.percentile(photo[seen], 25, axis=0), PUPIL_MAX) if seen.any() else np.full(3, 8.0)
    ys, xs = np.nonzero(pupil)
    pad = max(8, (xs.max() - xs.min()) // 6)
    box = np.s_[max(ys.min() - pad, 0) : ys.max() + pad, max(xs.min() - pad, 0) : xs.max() + pad]
    unseen = (~seen[box]).astype(np.uint8)
    going_on = _inpaint(photo[box], unseen)
    out = photo.astype(np.float32)
    out[box] = np.where(unseen[..., None] > 0, np.minimum(going_on, usual + 4), photo[box])
    return np.asarray(out, np.float32)


def _with_fibres(repaired: Pixels, unrolled: Pixels, hole: Mask) -> Pixels:
    """Lay the fine detail of other sectors, same depth, over what inpainting left smooth; nearest sectors first."""
    fine = unrolled.astype(np.float32) - cv2.GaussianBlur(unrolled, (0, 0), DETAIL_SIGMA_PX)
    near = cv2.dilate(hole.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0  # detail at a hole's rim is the rim itself
    turns = [round(ANGLES * t / 16) for t in (1, -1, 2, -2, 3, -3, 4, -4, 6, -6, 8)]
    turns.sort(key=lambda t: np.count_nonzero(near & np.roll(near, t, axis=0)))
    out, left = repaired.astype(np.float32), hole.copy()
    for turn in turns[:SECTORS_TRIED]:
        usable = left & ~np.roll(near, turn, axis=0)
        fade = cv2.GaussianBlur(usable.astype(np.float32), (0, 0), 1.5)[..., None] * usable[..., None]
        out += np.roll(fine, turn, axis=0) * fade
        left &= ~usable
    return np.asarray(np.clip(out + 0.5, 0, 255), np.uint8)


def _fill_unrolled(photo: Pixels, unknown: Mask, circle: Circle) -> Pixels:
    """Telea's inpainting on the unrolled iris, rolled up again; lids and pupil are unknown, so neither bleeds in."""
    size, centre, reach = (RADII, ANGLES), (circle.x, circle.y), circle.radius
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR
    unrolled = np.asarray(cv2.warpPolar(photo, size, centre, reach, flags | cv2.WARP_FILL_OUTLIERS), np.uint8)
    hole = cv2.warpPolar(unknown.astype(np.uint8), size, centre, reach, cv2.WARP_POLAR_LINEAR)
    hole = cv2.dilate(hole, np.ones((5, 5), np.uint8))
    pad = 64  # the angle goes round: let the fill see across the seam
    wide = np.concatenate([unrolled[-pad:], unrolled, unrolled[:pad]])
    wide_hole = np.concatenate([hole[-pad:], hole, hole[:pad]])
    smooth = _inpaint(wide, wide_hole)[pad:-pad]
    repaired = _with_fibres(smooth, unrolled, hole > 0)
    ys, xs = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]].astype(np.float32)
    dx, dy = xs - circle.x, ys - circle.y
    angle = (np.arctan2(dy, dx) / (2 * np.pi) % 1.0) * ANGLES
    radius = np.hypot(dx, dy) / reach * RADII
    around = np.concatenate([repaired, repaired[:1]])
    return np.asarray(
        cv2.remap(around, radius.astype(np.float32), angle.astype(np.float32), cv2.INTER_LINEAR), np.uint8
    )
