"""Squares cut out of a photo for a network, the way back, and the circle that a mask's outline follows."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Mask, Pixels

Floats = NDArray[np.float64]
SECTORS, OUTSIDE_COUNTS = 72, 0.5


@dataclass(frozen=True)
class Square:
    """A square region of a photo in pixels; it may reach over the photo's edge."""

    x: float
    y: float
    side: float

    def cut(self, photo: Pixels, side_px: int) -> Pixels:
        """The region resized to (side_px, side_px, 3); beyond the photo its last pixels go on."""
        left, top = int(np.floor(self.x)), int(np.floor(self.y))
        size = max(round(self.side), 1)
        height, width = photo.shape[:2]
        inner = photo[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)]
        pads = max(-top, 0), max(top + size - height, 0), max(-left, 0), max(left + size - width, 0)
        scale = side_px / size
        if scale < 1:  # shrink before padding: a photo is large, the network's input is small
            pads = tuple(round(p * scale) for p in pads)  # type: ignore[assignment]
            target = side_px - pads[2] - pads[3], side_px - pads[0] - pads[1]
            target = max(target[0], 1), max(target[1], 1)
            inner = np.asarray(cv2.resize(inner, target, interpolation=cv2.INTER_AREA), np.uint8)
        out = cv2.copyMakeBorder(inner, *pads, cv2.BORDER_REPLICATE)
        return np.asarray(cv2.resize(out, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)

    def paste(self, values: NDArray[np.float32], height: int, width: int) -> Mask:
        """Where (S, S) values of this region are above one half, on the photo's grid (height, width); False outside.

        Values go through bytes, because a large photo's grid in floats would weigh more than the photo.
        """
        left, top, scale = np.floor(self.x), np.floor(self.y), len(values) / max(round(self.side), 1)
        grid = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
        coarse = (np.clip(values, 0, 1) * 255).astype(np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        large = np.asarray(cv2.warpAffine(coarse, grid, (width, height), flags=flags))
        return np.asarray(np.greater(large, 127, out=large.view(bool)), bool)


def whole(photo: Pixels) -> Square:
    """The smallest square that holds the whole photo, centred."""
    height, width = photo.shape[:2]
    side = max(height, width)
    return Square((width - side) / 2, (height - side) / 2, side)


@dataclass(frozen=True)
class Circle:
    """A circle in pixels, the share of the outline that lies on it, and of the mask that lies in it (0–1)."""

    x: float
    y: float
    radius: float
    on_it: float
    in_it: float


def largest_piece(mask: Mask) -> Mask:
    """The largest connected piece with its holes filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    piece = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(piece, outlines, -1, 1, cv2.FILLED), bool)


def fit_circle(mask: Mask, tries: int = 300) -> Circle | None:
    """The circle that most of the mask's outline follows; lids that cut it do not pull it in.

    Draws three outline points at a time (fixed seed) and keeps the circle of which the outline follows the largest part
    within 2.5 % of its radius while little of the outline lies beyond it: RANSAC (Fischler & Bolles 1981). None where
    the mask is too small or not round at all.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    points = max(outlines, key=len)[:, 0, :].astype(np.float64)
    if len(points) < 24:
        return None
    inside = (points > 0).all(1) & (points < np.array(mask.shape[::-1]) - 1).all(1)  # the frame's edge is no limbus
    points = points[inside] if inside.sum() >= 24 else points
    sample = points[np.random.default_rng(0).integers(0, len(points), (tries, 3))]
    a, b, c = sample[:, 0], sample[:, 1], sample[:, 2]
    ab, ac = b - a, c - a
    cross = 2 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    wide = np.abs(cross) > 1e-6
    a, ab, ac, cross = a[wide], ab[wide], ac[wide], cross[wide]
    ab2, ac2 = (ab**2).sum(1), (ac**2).sum(1)
    offset = np.stack([ac[:, 1] * ab2 - ab[:, 1] * ac2, ab[:, 0] * ac2 - ac[:, 0] * ab2], 1) / cross[:, None]
    centres, radii = a + offset, np.hypot(offset[:, 0], offset[:, 1])
    least = np.sqrt(mask.sum() / np.pi)
    sane = (radii > 0.9 * least) & (radii < 2.5 * least)
    if not sane.any():
        return None
    centres, radii = centres[sane], radii[sane]
    thin = points[:: max(1, len(points) // 400)]
    away = np.hypot(*(thin[None] - centres[:, None]).transpose(2, 0, 1)) / radii[:, None] - 1.0
    near = np.abs(away) < 0.025
    outside = (away > 0.06).mean(1)
    best = int((_covered(thin, centres, near) / SECTORS - OUTSIDE_COUNTS * outside).argmax())
    x, y, r = _least_squares(thin[near[best]])
    if not 0.8 * radii[best] < r < 1.25 * radii[best]:
        (x, y), r = centres[best], radii[best]
    ys, xs = np.nonzero(mask)
    in_it = float((np.hypot(xs - x, ys - y) < 1.08 * r).mean())
    on_it = float((np.abs(np.hypot(thin[:, 0] - x, thin[:, 1] - y) - r) < 0.04 * r).mean())
    return Circle(float(x), float(y), float(r), on_it, in_it)


def _covered(points: Floats, centres: Floats, near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each centre how many of SECTORS hold a near point; a straight edge covers few."""
    offset = points[None] - centres[:, None]
    sector = ((np.arctan2(offset[..., 1], offset[..., 0]) / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
    hit = np.zeros((len(centres), SECTORS), bool)
    rows = np.broadcast_to(np.arange(len(centres))[:, None], near.shape)
    hit[rows[near], sector[near]] = True
    return np.asarray(hit.sum(1), np.int64)


def _least_squares(points: Floats) -> tuple[float, float, float]:
    """Kåsa's circle through `points` (N, 2)."""
    matrix = np.column_stack([points, np.ones(len(points))])
    p, q, s = np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0]
    return p / 2, q / 2, float(np.sqrt(max(s + (p / 2) ** 2 + (q / 2) ** 2, 0.0)))
