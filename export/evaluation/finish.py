"""Figures of the finished picture: how smooth its outline is, what is left of the sclera at its rim, and its grain."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from export.evaluation.grain import grain_ratios, share_like_its_ring
from export.evaluation.metrics import rank_correlation
from orchestrator.pipeline.crop import Crop, crop_iris
from orchestrator.pipeline.outline import INSET
from orchestrator.pipeline.outline_fit import fit_curves
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.quality import assess
from orchestrator.pipeline.reflections import find_reflections, remove_reflections
from orchestrator.pipeline.segment import IrisMasks

CROP_PX = 1024
MAX_WOBBLE = 0.004  # iris radii between the outline and the curves fitted to it
CORNER = 0.02  # iris radii; nearer to another curve than this an outline turns from one to the other
RINGS = (0.0, 0.02, 0.04, 0.06)  # iris radii inside the picture's edge, between rings
MAX_RIM = 2.0  # grey levels by which noise may make a rim lighter
NORMAL_PX = 256  # side at which sharpness is measured


@dataclass(frozen=True)
class Finish:
    """Figures of one finished picture.

    `wobble`: the distance that nine in ten points of its outline keep from the curves fitted to it, in iris radii.
    `rims`: by how many grey levels each ring of 2 % of the radius is lighter than the one inside it, from the outside;
    the median around the edge. `grain`: see `grain_ratios`. `quality`: the score, 0–1. `sharpness`: the share of the
    fibres' variance that is finer than two pixels of an iris drawn NORMAL_PX wide, 0–1.
    """

    wobble: float
    rims: tuple[float, float]
    grain: list[float]
    quality: float
    sharpness: float

    @property
    def has_light_rim(self) -> bool:
        """Whether the outermost ring is lighter than the one inside it, and not because the iris becomes lighter."""
        outermost, inside = self.rims
        return outermost > MAX_RIM + max(inside, 0.0)


def finish_of(photo: Pixels, masks: IrisMasks) -> Finish:
    """The figures of a photo, (H, W, 3) uint8, with its reflections removed and its iris cut out."""
    crop = crop_iris(photo, masks, CROP_PX)
    cleaned = remove_reflections(crop.picture, crop.masks)
    marked = find_reflections(crop.picture, crop.masks)
    grey = np.asarray(cv2.cvtColor(cleaned.photo, cv2.COLOR_RGB2GRAY), np.uint8)
    levels = [_level(grey, crop, (start + end) / 2) for start, end in pairwise(RINGS)]
    return Finish(
        wobble=_wobble(photo.shape[:2], masks),
        rims=(float(np.median(levels[0] - levels[1])), float(np.median(levels[1] - levels[2]))),
        grain=grain_ratios(cleaned.photo, marked, crop.masks),
        quality=assess(crop.picture, crop.masks, cleaned.share)[0],
        sharpness=_sharpness(grey, crop.masks.iris & ~crop.masks.pupil & ~marked),
    )


def _level(grey: NDArray[np.uint8], crop: Crop, depth: float) -> NDArray[np.float32]:
    """Grey levels along a line inside the picture's edge, which is itself a little inside the outline."""
    line = crop.masks.clean_outline.inset((INSET + depth) * crop.masks.circle.radius).points.astype(np.float32)
    return np.asarray(cv2.remap(grey, line[:, :1], line[:, 1:], cv2.INTER_LINEAR), np.float32)


def _wobble(size: tuple[int, ...], masks: IrisMasks) -> float:
    points, height, width = masks.clean_outline.points, size[0], size[1]
    frame = -0.5, -0.5, width - 0.5, height - 0.5
    beyond = fit_curves(points, points.mean(axis=0), masks.circle, frame)(points)
    left, top, right, bottom = frame
    inside = np.minimum.reduce([points[:, 0] - left, points[:, 1] - top, right - points[:, 0], bottom - points[:, 1]])
    free = inside > CORNER * masks.circle.radius
    return float(np.quantile(np.abs(beyond[free]), 0.9)) if free.any() else 0.0


def _sharpness(grey: NDArray[np.uint8], fibres: Mask) -> float:
    size = (NORMAL_PX, NORMAL_PX)
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
    inner = cv2.erode(cv2.resize(fibres.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.ones((9, 9))) > 0
    if not inner.any():
        return 0.0
    fine, coarse = (small - cv2.GaussianBlur(small, (0, 0), sigma) for sigma in (1.0, 6.0))
    return float(fine[inner].var() / max(float(coarse[inner].var()), 1e-3))


def summary_of(finishes: list[tuple[Finish, float | None]]) -> list[str]:
    """What the figures of several pictures, each with the IoU of its outline if known, come to; a line each."""
    if not finishes:
        return []
    figures, ious = [one for one, _ in finishes], [iou for _, iou in finishes]
    count = len(figures)
    wobbles = [one.wobble for one in figures]
    smooth, light = sum(w <= MAX_WOBBLE for w in wobbles), sum(one.has_light_rim for one in figures)
    grain = [ratio for one in figures for ratio in one.grain]
    quality, sharpness = (np.array([getattr(one, name) for one in figures]) for name in ("quality", "sharpness"))
    scored = np.array([iou is not None for iou in ious])
    known = np.array([iou for iou in ious if iou is not None])
    return [
        f"outline within {MAX_WOBBLE:.1%} of the radius of its curves: {smooth} of {count}, "
        f"median {np.median(wobbles):.2%}",
        f"rim lighter than the ring inside it: {light} of {count}",
        f"grain like its ring's in {share_like_its_ring(grain):.0%} of {len(grain)} filled places",
        f"quality score against IoU: rank correlation {rank_correlation(quality[scored], known):.2f} of {len(known)}; "
        f"against sharpness {rank_correlation(quality, sharpness):.2f} of {count}",
    ]
