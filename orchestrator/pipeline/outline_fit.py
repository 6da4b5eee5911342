"""The outline of an iris from the segmenter's map: the limbus where it is free, a smooth curve where a lid cuts it."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.curves import Lid, Limbus, Points, Values
from orchestrator.pipeline.geometry import Circle, Square, largest_piece
from orchestrator.pipeline.outline import INSET, Outline
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.rim import depths_of_rims

ProbabilityMap = NDArray[np.float32]
Frame = tuple[float, float, float, float]  # left, top, right, bottom

ANGLES, FINE_ANGLES = 360, 720  # rays on which the map is read, and points of the outline
STEP_PX = 0.25  # along a ray
REACH = 2.5  # of a ray, in iris radii
COARSE_STEPS, HALVINGS = 100, 12
COVERED = 0.02  # iris radii inside the limbus from which a point lies on a lid
GAP, MIN_RUN = 4, 12  # points between two parts of one lid, and on a lid
DEGREES = (2, 4)  # of a lid's curve: the first that fits
MAX_MISFIT, MAX_SPLITS = 0.03, 2  # of a lid, in iris radii, before it is taken for two that meet
MIN_AGREEMENT = 0.93  # intersection over union of the curves and the map
MEDIAN_POINTS, SMOOTH_SIGMA_POINTS = 13, 4  # where the curves don't explain the map


def outlines_on_photo(disc: ProbabilityMap, circle: Circle, square: Square, photo: Pixels) -> tuple[Outline, Outline]:
    """The iris' outline on a photo's grid, from a look at a square of it, and that of what may be shown of it.

    What may be shown has neither sclera nor lid at its rim: it lies further inside where the rim is deeper than
    `INSET`, the depth at which the picture ends anyway. See `fit_outline` and `depths_of_rims`.
    """
    height, width = photo.shape[:2]
    left, top = int(np.floor(square.x)), int(np.floor(square.y))
    scale = len(disc) / max(round(square.side), 1)
    frame = -left * scale - 0.5, -top * scale - 0.5, (width - left) * scale - 0.5, (height - top) * scale - 0.5
    middle, points = trace(disc, circle)

    def on_photo(outline: Outline) -> Outline:
        return outline.moved(-left * scale, -top * scale, 1 / scale)

    outline = fit_outline(middle, points, circle, frame, disc.shape)
    where, inside = on_photo(Outline(points)).points, on_photo(Outline(middle[None])).points[0]
    pale, pink = depths_of_rims(photo, where, inside, circle.radius / scale)
    everywhere = max(pale - INSET, 0.0)
    smaller = replace(circle, radius=circle.radius * (1 - everywhere))
    inner = _moved_in(points, middle, np.maximum(pink - INSET, everywhere) * circle.radius)
    clean = fit_outline(middle, inner, smaller, frame, disc.shape)
    return on_photo(outline), on_photo(clean)


def fit_outline(middle: Values, points: Points, circle: Circle, frame: Frame, shape: tuple[int, ...]) -> Outline:
    """The outline on a map's grid, from points (ANGLES, 2) on it.

    Where curves can't explain the points (an eye that is no iris and lids: the network was misled) it follows them,
    smoothed.

    Args:
        middle: (2,), inside.
        points: where rays from the middle leave the iris.
        circle: fitted to them.
        frame: of the photo, on the map's grid; what is beyond is no iris.
        shape: of the map, (S, S).
    """
    beyond = fit_curves(points, middle, circle, frame)
    fitted = _around(middle, lambda where: np.maximum(beyond(where), _beyond_frame(where, frame)), circle.radius)
    if _agreement(fitted, Outline(points), shape) >= MIN_AGREEMENT:
        return fitted
    return Outline(np.clip(_smoothed(points, middle), frame[:2], frame[2:]))


def fit_curves(points: Points, middle: Values, circle: Circle, frame: Frame) -> Callable[[Points], Values]:
    """How far points (N, 2) are beyond limbus and lids, in iris radii, by curves fitted to an outline's points (M, 2).

    `middle` (2,) is inside the outline. Where the outline follows the photo's `frame` it is no limbus.
    """
    on_edge = _beyond_frame(points, frame) > -1.0
    limbus = Limbus.fit(points, on_edge, circle)
    curves: list[Limbus | Lid] = [limbus, *_lids(points, limbus, middle, on_edge)]
    return lambda where: np.asarray(np.maximum.reduce([curve.beyond(where) for curve in curves]))


def largest_piece_of(probabilities: ProbabilityMap) -> ProbabilityMap:
    """The map with only its largest piece above one half, whose holes are filled; 0 elsewhere."""
    piece = largest_piece(probabilities > 0.5)
    nearby = cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # the slope that places the outline
    return np.where(piece, np.maximum(probabilities, 0.51), np.where(nearby, probabilities, 0)).astype(np.float32)


def trace(disc: ProbabilityMap, circle: Circle) -> tuple[Values, Points]:
    """The middle (2,) of the largest piece, and where rays from there leave it, (ANGLES, 2)."""
    soft = largest_piece_of(disc)
    ys, xs = np.nonzero(soft > 0.5)
    middle = np.array([xs.mean(), ys.mean()])
    distance = np.arange(0.0, REACH * circle.radius, STEP_PX)
    where = (middle + _directions(ANGLES)[:, None] * distance[:, None]).astype(np.float32)
    along = cv2.remap(soft, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    left = along <= 0.5
    left[:, -1] = True
    last = np.maximum(left.argmax(axis=1), 1)
    before, after = along[np.arange(ANGLES), last - 1], along[np.arange(ANGLES), last]
    part = np.clip((before - 0.5) / np.maximum(before - after, 1e-6), 0, 1)
    radius = (last - 1 + part) * STEP_PX
    return middle, middle + _directions(ANGLES) * radius[:, None]


def _directions(count: int) -> Points:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _moved_in(points: Points, middle: Values, distance: Values) -> Points:
    """The points nearer to the middle, each by its distance."""
    offset = middle - points
    return np.asarray(points + offset * (distance / np.maximum(np.hypot(offset[:, 0], offset[:, 1]), 1e-6))[:, None])


def _beyond_frame(points: Points, frame: Frame) -> Values:
    """How far each point is outside the photo, in pixels; negative inside."""
    left, top, right, bottom = frame
    sides = [left - points[:, 0], top - points[:, 1], points[:, 0] - right, points[:, 1] - bottom]
    return np.asarray(np.maximum.reduce(sides))


def _lids(points: Points, limbus: Limbus, middle: Values, on_edge: Mask) -> list[Lid]:
    """A lid for each run of points that lie inside the limbus."""
    covered = _close_gaps(limbus.beyond(points) < -COVERED)
    radius, lids = limbus.circle.radius, list[Lid]()
    for run in _runs(covered):
        run = run[~on_edge[run]]
        if len(run) >= MIN_RUN:
            lids += _one_lid_or_more(points[run], middle, radius, MAX_SPLITS)
    return lids


def _one_lid_or_more(points: Points, middle: Values, radius: float, splits: int) -> list[Lid]:
    """One lid, or those that meet in a corner of the eye, where its points are furthest from the line of their ends."""
    for degree in DEGREES:
        lid = Lid.fit(points, middle, radius, degree)
        if lid.misfit < MAX_MISFIT:
            return [lid]
    if len(points) < 2 * MIN_RUN or not splits:
        return [lid]
    height = np.abs((points - lid.origin) @ lid.inwards)
    corner = int(np.clip(height.argmax(), MIN_RUN, len(points) - MIN_RUN))
    parts = points[:corner], points[corner:]
    return [lid for part in parts for lid in _one_lid_or_more(part, middle, radius, splits - 1)]


def _close_gaps(flags: Mask) -> Mask:
    """True also where at most 2 · GAP neighbours between two that are true are not; goes round."""
    window = np.ones(2 * GAP + 1)
    grown = np.convolve(np.pad(flags, GAP, mode="wrap"), window, "valid") > 0
    return np.asarray(np.convolve(np.pad(~grown, GAP, mode="wrap"), window, "valid") == 0)


def _runs(flags: Mask) -> list[NDArray[np.int64]]:
    """The indices of each run of true values, which may go round the end; none where all are true."""
    if flags.all() or not flags.any():
        return []
    start = int(np.flatnonzero(~flags)[0])
    turned = np.flatnonzero(np.roll(flags, -start))
    return [(run + start) % len(flags) for run in np.split(turned, np.flatnonzero(np.diff(turned) > 1) + 1)]


def _around(middle: Values, beyond: Callable[[Points], Values], radius: float) -> Outline:
    """The outline where rays from the middle first go beyond the curves, to a thousandth of a pixel."""
    rays = _directions(FINE_ANGLES)
    steps = np.linspace(0, REACH * radius, COARSE_STEPS)
    coarse = (middle + rays[:, None] * steps[:, None]).reshape(-1, 2)
    outside = beyond(coarse).reshape(FINE_ANGLES, COARSE_STEPS) > 0
    outside[:, -1] = True
    upper = steps[np.maximum(outside.argmax(axis=1), 1)]
    lower = upper - steps[1]
    for _ in range(HALVINGS):
        between = (lower + upper) / 2
        is_outside = beyond(middle + rays * between[:, None]) > 0
        upper, lower = np.where(is_outside, between, upper), np.where(is_outside, lower, between)
    return Outline(middle + rays * lower[:, None])


def _agreement(first: Outline, second: Outline, shape: tuple[int, ...]) -> float:
    one, other = (outline.mask(shape[0], shape[1]) for outline in (first, second))
    return float((one & other).sum() / max(int((one | other).sum()), 1))


def _smoothed(points: Points, middle: Values) -> Points:
    """The points with their distances from the middle freed of spikes and wobble."""
    offset = points - middle
    distance = np.hypot(offset[:, 0], offset[:, 1])
    padded = np.pad(distance, MEDIAN_POINTS // 2, mode="wrap")
    calm = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_POINTS), axis=1)
    reach = 3 * SMOOTH_SIGMA_POINTS
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH_SIGMA_POINTS) ** 2)
    smooth = np.convolve(np.pad(calm, reach, mode="wrap"), kernel / kernel.sum(), "valid")
    return np.asarray(middle + offset * (smooth / np.maximum(distance, 1e-6))[:, None])
