"""Squares cut out of a photo for a network and pasted back, and the circle that a mask's outline follows."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask, Pixels

Points = NDArray[np.float64]

SAMPLES = 300  # circles tried
MIN_OUTLINE_POINTS, MAX_OUTLINE_POINTS = 24, 400  # fewer give no circle; more are thinned out
SECTORS = 72  # of a circle, to see how much of it the outline follows
OUTSIDE_WEIGHT = 0.5  # of the outline beyond a circle, against the sectors that it covers


@dataclass(frozen=True)
class Square:
    """A square region of a photo in pixels; it may reach over the photo's edge."""

    x: float
    y: float
    side: float

    def cut(self, photo: Pixels, side_px: int) -> Pixels:
        """The region resized to (side_px, side_px, 3); beyond the photo in the mean colour of what is inside.

        Repeated edge pixels make streaks and a reflected one makes a second eye; a flat colour is taken for nothing.
        """
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
        mean = cv2.mean(inner)
        padded = cv2.copyMakeBorder(inner, *pads, cv2.BORDER_CONSTANT, value=mean) if any(pads) else inner
        return np.asarray(cv2.resize(padded, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)

    def paste(self, values: NDArray[np.float32], height: int, width: int) -> Mask:
        """Where (S, S) values of this region exceed one half, on the photo's grid (height, width); False outside.

        Interpolates bytes: a float for each pixel of a large photo would take more memory than the photo.
        """
        left, top, scale = np.floor(self.x), np.floor(self.y), len(values) / max(round(self.side), 1)
        grid = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
        coarse = (np.clip(values, 0, 1) * 255).astype(np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        large = np.asarray(cv2.warpAffine(coarse, grid, (width, height), flags=flags))
        return np.asarray(np.greater(large, 127, out=large.view(bool)), bool)


def enclosing_square(photo: Pixels) -> Square:
    """The smallest square around the entire photo, with the photo in its middle."""
    height, width = photo.shape[:2]
    side = max(height, width)
    return Square((width - side) / 2, (height - side) / 2, side)


@dataclass(frozen=True)
class Circle:
    """A circle in pixels, fitted to a mask.

    `outline_share`, 0–1: how much of the mask's outline is on the circle; `mask_share`, 0–1: how much of the mask is
    inside it.
    """

    x: float
    y: float
    radius: float
    outline_share: float
    mask_share: float

    def scaled(self, scale: float) -> "Circle":
        """The circle in a picture enlarged by `scale`."""
        return replace(self, x=self.x * scale, y=self.y * scale, radius=self.radius * scale)

    def moved(self, x: float, y: float) -> "Circle":
        """The circle, so far to the right and down."""
        return replace(self, x=self.x + x, y=self.y + y)

    def disc(self, height: int, width: int) -> Mask:
        """(height, width) bool: what is inside."""
        out = np.zeros((height, width), bool)
        top, left = (max(int(np.floor(middle - self.radius)), 0) for middle in (self.y, self.x))
        bottom, right = (max(int(np.ceil(middle + self.radius)) + 1, 0) for middle in (self.y, self.x))
        part = out[top:bottom, left:right]
        ys, xs = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part[:] = np.hypot(xs - self.x, ys - self.y) <= self.radius
        return out

    def is_about(self, other: "Circle") -> bool:
        """Whether both are likely to be circles of one iris."""
        larger = max(self.radius, other.radius)
        apart = np.hypot(self.x - other.x, self.y - other.y)
        return bool(apart < 0.35 * larger and min(self.radius, other.radius) > 0.67 * larger)

    def touches(self, other: "Circle") -> bool:
        """Whether the circles overlap or touch."""
        return bool(np.hypot(self.x - other.x, self.y - other.y) <= self.radius + other.radius)


def around(circle: Circle, diameters: float) -> Square:
    """The square around a circle, so many of its diameters long, rounded to whole pixels as `cut` does."""
    half = circle.radius * diameters
    side = max(round(2 * half), 1)
    return Square(float(np.floor(circle.x - half)), float(np.floor(circle.y - half)), side)


def on_photo(circle: Circle, square: Square, side_px: int) -> Circle:
    """The circle, seen in `square` at `side_px`, in the photo's pixels."""
    scale = square.side / side_px
    return replace(circle, x=square.x + circle.x * scale, y=square.y + circle.y * scale, radius=circle.radius * scale)


def largest_piece(mask: Mask) -> Mask:
    """The largest connected piece with its holes filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    piece = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(piece, outlines, -1, 1, cv2.FILLED), bool)


def intersection_over_union(one: Mask, other: Mask) -> float:
    """How much two masks have in common, 0–1."""
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)


def fit_circle(mask: Mask) -> Circle | None:
    """The circle that most of the mask's outline follows; lids that cut it off do not shrink it.

    Tries circles through three outline points each (fixed seed) and keeps the one that the outline follows around most
    of its circumference, within 2.5 % of its radius, with little of the outline beyond it: RANSAC (Fischler & Bolles
    1981). None where the mask is too small or not round at all.
    """
    points = _outline_points(mask)
    if not len(points):
        return None
    centres, radii = _sample_circles(points, np.sqrt(mask.sum() / np.pi))
    if not len(radii):
        return None
    points = points[:: max(1, len(points) // MAX_OUTLINE_POINTS)]
    distances = np.hypot(*(points[None] - centres[:, None]).transpose(2, 0, 1)) / radii[:, None] - 1.0
    near, outside = np.abs(distances) < 0.025, (distances > 0.06).mean(1)
    best = int((_covered_sectors(points, centres, near) / SECTORS - OUTSIDE_WEIGHT * outside).argmax())
    x, y, radius = _least_squares(points[near[best]])
    if not 0.8 * radii[best] < radius < 1.25 * radii[best]:
        (x, y), radius = centres[best], radii[best]
    ys, xs = np.nonzero(mask)
    mask_share = float((np.hypot(xs - x, ys - y) < 1.08 * radius).mean())
    outline_share = float((np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius) < 0.04 * radius).mean())
    return Circle(float(x), float(y), float(radius), outline_share, mask_share)


def _outline_points(mask: Mask) -> Points:
    """The longest outline's points (N, 2), without those on the frame's edge, which is no limbus; none if too few."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(outlines, key=len)[:, 0, :].astype(np.float64) if outlines else np.empty((0, 2))
    if len(longest) < MIN_OUTLINE_POINTS:
        return np.empty((0, 2))
    inside = (longest > 0).all(1) & (longest < np.array(mask.shape[::-1]) - 1).all(1)
    return longest[inside] if inside.sum() >= MIN_OUTLINE_POINTS else longest


def _sample_circles(points: Points, disc_radius: float) -> tuple[Points, Points]:
    """Circles through three random points each: centres (N, 2) and radii (N,).

    Only those of 0.9 to 2.5 times `disc_radius`, the radius of a disc with as many pixels as the mask.
    """
    sample = points[np.random.default_rng(0).integers(0, len(points), (SAMPLES, 3))]
    a, b, c = sample[:, 0], sample[:, 1], sample[:, 2]
    ab, ac = b - a, c - a
    cross = 2 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    on_no_line = np.abs(cross) > 1e-6
    a, ab, ac, cross = a[on_no_line], ab[on_no_line], ac[on_no_line], cross[on_no_line]
    ab2, ac2 = (ab**2).sum(1), (ac**2).sum(1)
    offset = np.stack([ac[:, 1] * ab2 - ab[:, 1] * ac2, ab[:, 0] * ac2 - ac[:, 0] * ab2], 1) / cross[:, None]
    centres, radii = a + offset, np.hypot(offset[:, 0], offset[:, 1])
    plausible = (radii > 0.9 * disc_radius) & (radii < 2.5 * disc_radius)
    return centres[plausible], radii[plausible]


def _covered_sectors(points: Points, centres: Points, near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each centre, how many of the SECTORS around it hold a near point; a straight edge covers few."""
    offset = points[None] - centres[:, None]
    sector = ((np.arctan2(offset[..., 1], offset[..., 0]) / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
    covered = np.zeros((len(centres), SECTORS), bool)
    rows = np.broadcast_to(np.arange(len(centres))[:, None], near.shape)
    covered[rows[near], sector[near]] = True
    return np.asarray(covered.sum(1), np.int64)


def _least_squares(points: Points) -> tuple[float, float, float]:
    """Kåsa's least-squares circle through `points` (N, 2): x, y, radius."""
    matrix = np.column_stack([points, np.ones(len(points))])
    p, q, s = np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0]
    return p / 2, q / 2, float(np.sqrt(max(s + (p / 2) ** 2 + (q / 2) ** 2, 0.0)))
