"""Find what the cornea reflects, and take it away so that the fibres run on.

The segmenter marks reflections. Where fibres show through one, the light that it adds is taken away: how much lighter,
on a large scale, it is than the clear iris at the same depth. What hides them is filled on the unrolled iris (angle ×
radius), where fibres are straight and equal depth is a column, so filling runs along and across them; the pupil is
filled by its own colour.
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
HIDDEN = 70.0  # grey levels of added light that leave nothing of the fibres
DARKEST = 0.7  # of the usual colour: what taking away light may leave
VEIL_SIGMA, LAMP_SIGMA, LAMP_RIM, RIM, BORDER = 0.05, 0.015, 0.06, 0.06, 0.06  # of the radius
DEPTHS, TURNS, LEAST_TURNS = 128, 256, 8
PUPIL_MAX, GLOW = 45.0, 8.0  # grey levels
FADE, PUPIL_EDGE = 0.03, 0.014  # of the radius: widths of the soft transitions
SECTORS_TRIED = 4


@dataclass(frozen=True)
class Cleaned:
    """The photo without reflections, where it was filled (H, W) bool, and the share of the iris that reflects, 0–1."""

    photo: Pixels
    reflections: Mask
    share: float


def find_reflections(photo: Pixels, masks: IrisMasks) -> Mask:
    """(H, W) bool: where the network sees a reflection, or the light is clipped.

    Near white alone is no sign: pale fibres in good light reach it; and where much of the iris is clipped, it is the
    exposure.
    """
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0]
    clipped = masks.iris & (light >= CLIPPED) & ~masks.reflection
    if clipped.sum() > OVEREXPOSED * masks.iris.sum():
        clipped = np.zeros_like(clipped)
    return np.asarray((masks.reflection | clipped) & masks.iris, bool)


def remove_reflections(photo: Pixels, masks: IrisMasks) -> Cleaned:
    """Find and fill the reflections inside the iris.

    Args:
        photo: (H, W, 3) uint8 sRGB, best cropped to the iris.
        masks: what the segmenter found, on the photo's grid.
    """
    iris, pupil, circle = masks.iris, masks.pupil, masks.circle
    reflections = find_reflections(photo, masks)
    share = float(reflections.sum() / max(int(iris.sum()), 1))
    hole = fit_circle(pupil)
    inner = _disc_of(hole, pupil) & iris if hole else pupil
    if not reflections.any():
        return Cleaned(photo, reflections, share)
    reflections |= _glow(photo, reflections, inner)
    rim_px = max(2, round(FADE * circle.radius))
    alpha = _fading(reflections, rim_px)
    hole_and_rim = alpha > 0
    within = cv2.distanceTransform(np.pad(iris.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1] > RIM * circle.radius
    lifted, through = _lift(photo, reflections & ~inner, iris & ~inner & ~hole_and_rim, within, circle)
    seen = np.where(through, 1.0 - _fading(reflections & ~inner & ~through, rim_px), 0.0)[..., None]
    filled = _fill_unrolled(lifted, (hole_and_rim & (seen[..., 0] < 1)) | ~iris | inner, circle).astype(np.float32)
    filled += (lifted - filled) * seen
    if inner.any():
        soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), max(0.7, PUPIL_EDGE * circle.radius))[..., None]
        filled += (_fill_pupil(photo, hole_and_rim, inner) - filled) * soft
    out = photo + (filled - photo) * (alpha * iris)[..., None]
    return Cleaned(np.clip(out + 0.5, 0, 255).astype(np.uint8), reflections, share)


def _fading(reflections: Mask, rim_px: int) -> NDArray[np.float32]:
    """1 in the reflections, falling to 0 over a rim around them, in which the photo and the filling cross over."""
    away = cv2.distanceTransform((~reflections).astype(np.uint8), cv2.DIST_L2, 5)
    t = np.clip(1.0 - away / rim_px, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _glow(photo: Pixels, reflections: Mask, pupil: Mask) -> Mask:
    """What the lamps in a pupil make lighter around them: without them it is as dark everywhere."""
    seen = pupil & ~reflections
    if not seen.any() or not (reflections & pupil).any():
        return np.zeros_like(pupil)
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return np.asarray(pupil & (light > min(np.percentile(light[seen], 25), PUPIL_MAX) + GLOW), bool)


def _lift(photo: Pixels, reflections: Mask, clear: Mask, within: Mask, circle: Circle) -> tuple[Pixels, Mask]:
    """The photo less the light that reflections add to the iris, and where they leave something to be seen of it.

    `within` is what is not so near to the outline that the sclera shows. Light that goes on beyond what
    is marked is not cut off at the border.
    """
    usual = _usual_colours(photo, clear, circle)
    if usual is None:
        return photo, np.zeros_like(reflections)
    above = photo - usual
    light = cv2.GaussianBlur(above.mean(axis=2), (0, 0), max(0.7, LAMP_SIGMA * circle.radius))
    size = max(1, round(LAMP_RIM * circle.radius)) * 2 + 1
    hidden = ((light > HIDDEN) & reflections & within).astype(np.uint8)
    hidden = cv2.dilate(hidden, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    through = np.asarray(reflections & (hidden == 0), bool)
    sigma_px = VEIL_SIGMA * circle.radius
    deep = cv2.distanceTransform(reflections.astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    goes_on = np.maximum(_mean_around(above, clear & within, sigma_px), 0) * np.exp(deep / (-BORDER * circle.radius))
    added = np.maximum(_mean_around(above, through & within, sigma_px) - goes_on, 0) * through[..., None]
    added = np.minimum(added, np.maximum(photo - DARKEST * usual, 0))  # no dark fringe where a sky ends
    return np.clip(photo - added + 0.5, 0, 255).astype(np.uint8), through


def _mean_around(field: NDArray[np.float32], seen: Mask, sigma_px: float) -> NDArray[np.float32]:
    """(H, W, 3): the mean of what is seen around each pixel, by a Gaussian, worked out at a quarter of the size."""
    height, width = seen.shape
    size = max(1, width // 4), max(1, height // 4)
    weight = cv2.resize(seen.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(field * seen[..., None], size, interpolation=cv2.INTER_AREA)
    sigma = max(0.7, sigma_px / 4)
    near = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-4)[..., None]
    mean = cv2.GaussianBlur(small, (0, 0), sigma) / near
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _usual_colours(photo: Pixels, clear: Mask, circle: Circle) -> NDArray[np.float32] | None:
    """(H, W, 3): for each pixel the median colour of the clear iris at its depth; None where nothing is clear."""
    size, centre = (DEPTHS, TURNS), (circle.x, circle.y)
    unrolled = cv2.warpPolar(photo, size, centre, circle.radius, cv2.WARP_POLAR_LINEAR).astype(np.float32)
    seen = cv2.warpPolar(clear.astype(np.uint8), size, centre, circle.radius, cv2.WARP_POLAR_LINEAR) > 0
    known = np.flatnonzero(seen.sum(axis=0) >= LEAST_TURNS)
    if not known.size:
        return None
    unrolled[~seen] = np.nan
    medians = np.nanmedian(unrolled[:, known], axis=0)
    colours = np.stack([np.interp(np.arange(DEPTHS), known, channel) for channel in medians.T], axis=-1)
    ys, xs = np.ogrid[0 : photo.shape[0], 0 : photo.shape[1]]
    depth = (np.hypot(xs - circle.x, ys - circle.y) * (DEPTHS / circle.radius)).astype(np.float32)
    table = colours.astype(np.float32)[None]
    return np.asarray(
        cv2.remap(table, depth, np.zeros_like(depth), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


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
