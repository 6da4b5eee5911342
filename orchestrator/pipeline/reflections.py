"""Find the specular reflections on the cornea and remove them so that the fibres continue.

The segmenter marks reflections. Where one is translucent, the light that it adds is subtracted: how much lighter it is,
on a large scale, than the clear iris at the same distance from the centre. Where it is opaque, it is filled
(`inpainting`).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.grain import match_grain, medians_by_radius
from orchestrator.pipeline.inpainting import PUPIL_MAX, Window, fill_iris, fill_pupil
from orchestrator.pipeline.lashes import remove_lashes
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks

CLIPPED = 252  # lightness of a sensor at its limit
OVEREXPOSED = 0.03  # share of the iris: where more of it is clipped, no reflection did that
OPAQUE = 70.0  # grey levels of added light that leave nothing of the fibres
DARKEST = 0.7  # of the median colour: what subtracting light may leave
HALO_LEAST, HALO_SPREADS = 4.0, 1.5  # grey levels, and spreads of the clear iris, that a halo differs by
NORMAL_MAD = 1.48  # standard deviations in a median absolute deviation, of normally distributed values
MOST_SHRINK, LEAST_NEAR = 4, 1e-4  # for a mean over a neighbourhood; share of it that is enough
FIBRES = 1.5  # spreads of the clear iris that its fibres vary by
GLOW = 8.0  # grey levels above the pupil's darker part
# In iris radii:
TRANSLUCENT_SIGMA, OPAQUE_SIGMA = 0.05, 0.015  # over which added light is averaged, to subtract it and to find lamps
LIGHT_SIGMAS = (TRANSLUCENT_SIGMA, 0.02, 0.008)  # what light varies by from one to the next, and fibres hardly do
HALO = 0.08  # around a reflection as the network marks it, where its light may go on
OPAQUE_RIM = 0.06  # around an opaque part that counts as opaque, too
LIMBUS_RIM = 0.06  # inside the outline, where the sclera may show through
BORDER = 0.06  # over which light that goes on beyond a reflection decays into it
FADE, PUPIL_FADE = 0.03, 0.014  # widths of the soft transitions


@dataclass(frozen=True)
class Cleaned:
    """The photo without reflections, and the share of the iris that they covered, 0–1."""

    photo: Pixels
    share: float


def find_reflections(photo: Pixels, masks: IrisMasks) -> Mask:
    """(H, W) bool: where the network sees a reflection, or the light is clipped.

    Near white alone is no sign: pale fibres in good light reach it. And where much of the iris is clipped, the photo is
    overexposed.
    """
    lightness = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0]
    clipped = masks.iris & (lightness >= CLIPPED) & ~masks.reflection
    if clipped.sum() > OVEREXPOSED * masks.iris.sum():
        clipped = np.zeros_like(clipped)
    return np.asarray((masks.reflection | clipped) & masks.iris, bool)


def remove_reflections(photo: Pixels, masks: IrisMasks) -> Cleaned:
    """Find the reflections in the iris, subtract their light or fill them; single lashes go first (`remove_lashes`).

    Args:
        photo: (H, W, 3) uint8 sRGB, best cropped to the iris.
        masks: on the photo's grid.
    """
    photo = remove_lashes(photo, masks)
    iris, circle = masks.iris, masks.circle
    reflections = find_reflections(photo, masks)
    share = float(reflections.sum() / max(int(iris.sum()), 1))
    if not reflections.any():
        return Cleaned(photo, share)
    pupil = masks.pupil
    marked = reflections
    reflections = marked | _glow(photo, marked, pupil)
    rim_px = _rim_px(circle)
    depth = cv2.distanceTransform(np.pad(iris.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    inside_limbus = depth > LIMBUS_RIM * circle.radius
    clear = iris & ~pupil & (_fade_out(reflections, rim_px) == 0)
    median = medians_by_radius(photo, clear, circle)
    above = None if median is None else photo - median
    light = None if above is None else _large_scale(above, circle)
    if light is not None:
        reflections |= _halo(light, reflections, clear & inside_limbus, inside_limbus & ~pupil, circle)
    alpha = _fade_out(reflections, rim_px)
    with_rims = alpha > 0
    on_iris, clear = reflections & ~pupil, iris & ~pupil & ~with_rims
    subtracted, translucent = photo, np.zeros_like(on_iris)
    if median is not None and above is not None and light is not None and on_iris.any():
        subtracted, translucent = _subtract_light(photo, median, above, light, on_iris, clear, inside_limbus, circle)
    window = _bounding_box(with_rims & iris)
    hidden = (marked & pupil) | (on_iris & ~translucent)
    kept = 1.0 - _fade_out(hidden, rim_px)[..., None]
    unknown = (with_rims & (kept[..., 0] < 1)) | ~iris | pupil
    filled = fill_iris(subtracted, unknown, circle, window).astype(np.float32)
    filled += (subtracted[window] - filled) * kept[window]
    changed = (with_rims & iris & ~pupil)[window]
    filled = match_grain(filled, changed, window, photo, clear & inside_limbus, circle)
    if pupil[window].any():
        soft = cv2.GaussianBlur(pupil.astype(np.float32), (0, 0), max(0.7, PUPIL_FADE * circle.radius))[window]
        filled += (fill_pupil(photo, with_rims, pupil)[window] - filled) * soft[..., None]
    cleaned, part = photo.copy(), photo[window]
    mixed = part + (filled - part) * (alpha * iris)[window][..., None]
    cleaned[window] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return Cleaned(cleaned, share)


def _bounding_box(mask: Mask) -> Window:
    """The rows and columns between the first and the last of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _rim_px(circle: Circle) -> int:
    return max(2, round(FADE * circle.radius))


def _fade_out(mask: Mask, rim_px: int) -> NDArray[np.float32]:
    """1 in the mask, falling smoothly to 0 over a rim around it."""
    distance = _distance_to(mask)
    t = np.clip(1.0 - distance / rim_px, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _distance_to(mask: Mask) -> NDArray[np.float32]:
    """(H, W) pixels from each pixel to the nearest in the mask."""
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5), np.float32)


def _large_scale(above: NDArray[np.float32], circle: Circle) -> NDArray[np.float32]:
    """(H, W) mean over the channels of (H, W, 3) added light, without fibres and grain."""
    grey = cv2.transform(above, np.full((1, 3), 1 / 3))
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), max(0.7, OPAQUE_SIGMA * circle.radius)), np.float32)


def _glow(photo: Pixels, reflections: Mask, pupil: Mask) -> Mask:
    """What lamps reflected in the pupil make lighter around them; without them a pupil is equally dark everywhere."""
    clear = pupil & ~reflections
    if not clear.any() or not (reflections & pupil).any():
        return np.zeros_like(pupil)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return np.asarray(pupil & (grey > min(np.percentile(grey[clear], 25), PUPIL_MAX) + GLOW), bool)


def _halo(
    light: NDArray[np.float32], reflections: Mask, clear: Mask, inside: Mask, circle: Circle
) -> NDArray[np.bool_]:
    """(H, W) bool: around reflections, where it is lighter or darker than the clear iris varies; frames and glare.

    Args:
        light: (H, W) grey levels that were added to the clear iris.
        reflections: (H, W) bool, as the network marks them.
        clear: (H, W) bool, the iris without reflections.
        inside: (H, W) bool, the iris without its pupil and its outline.
        circle: of the iris.
    """
    near = _distance_to(reflections) <= HALO * circle.radius
    spread = NORMAL_MAD * float(np.median(np.abs(light[clear]))) if clear.any() else 0.0
    return np.asarray(near & inside & (np.abs(light) > max(HALO_LEAST, HALO_SPREADS * spread)), bool)


def _subtract_light(
    photo: Pixels,
    median: NDArray[np.float32],
    above: NDArray[np.float32],
    light: NDArray[np.float32],
    reflections: Mask,
    clear: Mask,
    inside_limbus: Mask,
    circle: Circle,
) -> tuple[Pixels, Mask]:
    """Subtract the light that reflections add to the iris.

    Light that goes on beyond a reflection's border is kept, so that no edge appears there.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        median: (H, W, 3), the clear iris's colour at each pixel's radius.
        above: (H, W, 3), the photo without the median.
        light: (H, W), `above` on a large scale; see `_large_scale`.
        reflections: (H, W) bool, outside the pupil, not empty.
        clear: (H, W) bool, the iris without reflections.
        inside_limbus: (H, W) bool, far enough from the outline that no sclera shows through.
        circle: of the iris.

    Returns:
        The photo with the light subtracted, softly around it, too, and the translucent part of the reflections.
    """
    opaque = (light > OPAQUE) & reflections & inside_limbus
    translucent = np.asarray(reflections & (_distance_to(opaque) > OPAQUE_RIM * circle.radius), bool)
    sigma_px = TRANSLUCENT_SIGMA * circle.radius
    window = _bounding_box(reflections)
    depth = cv2.distanceTransform(reflections.astype(np.uint8), cv2.DIST_L2, 5)[window][..., None]
    beyond = np.maximum(_local_mean(above, clear & inside_limbus, sigma_px)[window], 0)
    beyond = beyond * np.exp(depth / (-BORDER * circle.radius))
    mean = _light_of(above, translucent & inside_limbus, clear & inside_limbus, circle)[window]
    soft = _fade_out(translucent, _rim_px(circle))[window][..., None]
    added = np.maximum(mean - beyond, 0) * soft
    part, subtracted = photo[window], photo.copy()
    added = np.minimum(added, np.maximum(part - DARKEST * median[window], 0))  # no dark fringe where a sky ends
    subtracted[window] = np.clip(part - added + 0.5, 0, 255).astype(np.uint8)
    return subtracted, translucent


def _light_of(above: NDArray[np.float32], translucent: Mask, clear: Mask, circle: Circle) -> NDArray[np.float32]:
    """(H, W, 3): the light that a reflection adds; fine only where it varies more than the clear iris does."""
    coarse, *finer = (sigma * circle.radius for sigma in LIGHT_SIGMAS)
    mean, usual = (_local_mean(above, mask, coarse) for mask in (translucent, clear))
    light = mean
    for sigma_px in finer:
        fine_mean, fine_usual = (
            _local_mean(above, mask, sigma_px, known) for mask, known in ((translucent, mean), (clear, usual))
        )
        band, bands_of_fibres = fine_mean - mean, (fine_usual - usual)[clear]
        most = FIBRES * NORMAL_MAD * np.median(np.abs(bands_of_fibres), axis=0) if clear.any() else 255
        light = light + band - np.clip(band, -most, most)
        mean, usual = fine_mean, fine_usual
    return np.asarray(light, np.float32)


def _local_mean(
    values: NDArray[np.float32], mask: Mask, sigma_px: float, elsewhere: NDArray[np.float32] | float = 0.0
) -> NDArray[np.float32]:
    """(H, W, 3): the Gaussian mean around each pixel of the values in the mask, computed at a smaller size.

    Where none of the mask is near, it goes over into `elsewhere`.
    """
    height, width = mask.shape
    shrink = min(max(int(sigma_px), 1), MOST_SHRINK)
    size = max(1, width // shrink), max(1, height // shrink)
    weight = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    weighted = cv2.resize(values * mask[..., None], size, interpolation=cv2.INTER_AREA)
    sigma = max(0.7, sigma_px / shrink)
    near = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    mean = cv2.GaussianBlur(weighted, (0, 0), sigma) / np.maximum(near, LEAST_NEAR)
    far = cv2.resize(1 - np.minimum(near / LEAST_NEAR, 1), (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR) + far * elsewhere, np.float32)
