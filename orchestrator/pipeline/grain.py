"""The fine detail of a filled or corrected place, made as strong as that of the clear iris around it."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.inpainting import Window
from orchestrator.pipeline.pixels import Mask, Pixels

COLOUR_RADII, COLOUR_ANGLES, MIN_ANGLES = 128, 256, 8  # of the unrolled iris; clear ones that a median needs
DETAIL_SIGMA, LOCAL_SIGMA = 0.02, 0.04  # iris radii: what is finer is detail; over which its strength is averaged
COARSE = 4  # strengths are computed at a quarter of the size
LEAST_GAIN, MOST_GAIN = 0.1, 1.8
MEAN_OF_MEDIAN = 1.4  # squared detail is skewed: its mean on clear irises is above its median


def match_grain(
    filled: NDArray[np.float32], changed: Mask, window: Window, photo: Pixels, clear: Mask, circle: Circle
) -> NDArray[np.float32]:
    """Scale the detail where a photo was changed to the strength of its clear iris at the same radius.

    What inpainting left smooth gets its grain back, what shows through a window its contrast, and remains of a frame
    become faint.

    Args:
        filled: (h, w, 3), 0–255, a window of the photo; also pixels that were not changed are scaled.
        changed: (h, w) bool.
        window: where in the photo it is.
        photo: (H, W, 3) uint8 sRGB.
        clear: (H, W) bool, the iris where nothing was changed.
        circle: of the iris.
    """
    sigma_px, coarse_sigma_px = DETAIL_SIGMA * circle.radius, LOCAL_SIGMA * circle.radius / COARSE
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)
    fine = cv2.absdiff(grey, cv2.GaussianBlur(grey, (0, 0), max(0.7, sigma_px))).astype(np.float32)
    coarse_clear = _coarse(clear.astype(np.float32)) > 0.5
    coarse_circle = replace(circle, x=circle.x / COARSE, y=circle.y / COARSE, radius=circle.radius / COARSE)
    energy = np.repeat(_coarse(np.square(fine))[..., None], 3, axis=2)
    wanted = medians_by_radius(energy, coarse_clear, coarse_circle)
    if wanted is None:
        return filled
    strength_wanted = np.asarray(cv2.resize(wanted[..., 0], grey.shape[::-1], interpolation=cv2.INTER_LINEAR))[window]
    detail = filled - cv2.GaussianBlur(filled, (0, 0), max(0.7, sigma_px))
    weight = _coarse(changed.astype(np.float32))
    weighted = _coarse(np.square(detail.mean(axis=2))) * weight
    sums, weights = (cv2.GaussianBlur(plane, (0, 0), max(0.7, coarse_sigma_px)) for plane in (weighted, weight))
    strength = cv2.resize(sums / np.maximum(weights, 1e-3), changed.shape[::-1], interpolation=cv2.INTER_LINEAR)
    gains = np.sqrt(MEAN_OF_MEDIAN * np.maximum(strength_wanted, 0.0) / np.maximum(strength, 1e-2))
    gain = np.clip(gains, LEAST_GAIN, MOST_GAIN)
    return np.asarray(filled + detail * (gain[..., None] - 1.0), np.float32)


def _coarse(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape
    size = max(1, width // COARSE), max(1, height // COARSE)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def medians_by_radius(
    picture: NDArray[np.uint8] | NDArray[np.float32], clear: Mask, circle: Circle
) -> NDArray[np.float32] | None:
    """(H, W, 3): for each pixel the median colour of the clear iris at its radius; None where nothing is clear."""
    size, centre = (COLOUR_RADII, COLOUR_ANGLES), (circle.x, circle.y)
    unrolled = cv2.warpPolar(picture, size, centre, circle.radius, cv2.WARP_POLAR_LINEAR).astype(np.float32)
    unrolled_clear = cv2.warpPolar(clear.astype(np.uint8), size, centre, circle.radius, cv2.WARP_POLAR_LINEAR) > 0
    known = np.flatnonzero(unrolled_clear.sum(axis=0) >= MIN_ANGLES)
    if not known.size:
        return None
    unrolled[~unrolled_clear] = np.nan
    medians = np.nanmedian(unrolled[:, known], axis=0)
    colours = np.stack([np.interp(np.arange(COLOUR_RADII), known, channel) for channel in medians.T], axis=-1)
    ys, xs = np.ogrid[0 : picture.shape[0], 0 : picture.shape[1]]
    radius = (np.hypot(xs - circle.x, ys - circle.y) * (COLOUR_RADII / circle.radius)).astype(np.float32)
    table = colours.astype(np.float32)[None]
    return np.asarray(
        cv2.remap(table, radius, np.zeros_like(radius), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
