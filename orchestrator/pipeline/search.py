"""Where in a photo an eye may be: looks at the entire frame, then at smaller and smaller squares."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import IRIS, PUPIL, Infer
from orchestrator.pipeline.geometry import Circle, Square, enclosing_square, fit_circle, largest_piece
from orchestrator.pipeline.images import Pixels

ProbabilityMap = NDArray[np.float32]

LOOK_DIAMETERS = (2.3, 1.8, 1.8)  # side of each closer look, in iris diameters
PYRAMID_LEVELS = 3  # the frame, halves and quarters of it: down to an eye in a portrait
SQUARES_PER_CALL = 8
MAX_PIECES = 3  # of one look's disc
MAX_CANDIDATES = 4  # of one level that get a closer look
MAYBE_PRESENT = 0.3  # presence that is worth a closer look
MIN_PRESENCE = 0.6  # presence that a closer look must show
MAX_RADIUS_RATIO = 2.0  # between the iris in a closer look and the one seen from afar


@dataclass(frozen=True)
class Look:
    """What the segmenter sees in one square.

    `disc` (iris or pupil), `pupil` and `reflection` are (S, S), 0–1; `presence`, 0–1, that an open eye is in it.
    """

    disc: ProbabilityMap
    pupil: ProbabilityMap
    reflection: ProbabilityMap
    presence: float


@dataclass(frozen=True)
class Candidate:
    """A place that may be an eye: the square looked at, what was seen in it, and the circle of its disc.

    `circle` is in the look's pixels, `circle_on_photo` in the photo's.
    """

    square: Square
    look: Look
    circle: Circle
    circle_on_photo: Circle


async def find_candidates(photo: Pixels, infer: Infer) -> AsyncIterator[Candidate]:
    """Places where a closer look shows an open eye: level by level of the pyramid, the best of each level first."""
    for level in range(PYRAMID_LEVELS):
        squares = _pyramid(photo, level, infer.segment_px)
        if not squares:
            break
        circles = await _likely_circles(photo, squares, infer)
        looks = [await look_closer(photo, circle, LOOK_DIAMETERS[0], infer) for circle in circles[:MAX_CANDIDATES]]
        expected_px = infer.segment_px / (2 * LOOK_DIAMETERS[0])
        confirmed = [
            candidate
            for candidate in looks
            if candidate
            and candidate.look.presence >= MIN_PRESENCE
            and 1 / MAX_RADIUS_RATIO < candidate.circle.radius / expected_px < MAX_RADIUS_RATIO
        ]
        for candidate in sorted(confirmed, key=lambda c: -_rank(c.look.presence, c.circle)):
            yield candidate


async def look_closer(photo: Pixels, circle: Circle, diameters: float, infer: Infer) -> Candidate | None:
    """Look at a square around a circle on the photo; None where nothing in it is round.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        circle: in the photo's pixels.
        diameters: side of the square, in diameters of the circle.
        infer: runs the segmenter.
    """
    side = 2 * circle.radius * diameters
    square = Square(circle.x - side / 2, circle.y - side / 2, side)
    look = await _look_twice(photo, square, infer)
    seen = fit_circle(largest_piece(look.disc > 0.5))
    return Candidate(square, look, seen, _on_photo(seen, square, infer.segment_px)) if seen else None


async def _look_twice(photo: Pixels, square: Square, infer: Infer) -> Look:
    """The mean of what is seen in the square and in its mirror image."""
    image = square.cut(photo, infer.segment_px)
    segmentation = await infer.segment(np.stack([image, image[:, ::-1]]))
    classes = (segmentation.probabilities[0] + segmentation.probabilities[1, :, ::-1]) / 2
    reflection = (segmentation.reflection[0] + segmentation.reflection[1, :, ::-1]) / 2
    presence = float(segmentation.presence.mean())
    return Look(classes[..., IRIS] + classes[..., PUPIL], classes[..., PUPIL], reflection, presence)


def _pyramid(photo: Pixels, level: int, side_px: int) -> list[Square]:
    """Squares that cover the photo: at level 0 the frame; a level further, half as long and overlapping by half.

    None that are smaller than half the network's input, `side_px`.
    """
    frame = enclosing_square(photo)
    side = frame.side / 2**level
    if level and side < side_px / 2:
        return []
    steps = 2 ** (level + 1) - 1
    squares = [Square(frame.x + i * side / 2, frame.y + j * side / 2, side) for j in range(steps) for i in range(steps)]
    height, width = photo.shape[:2]
    return [s for s in squares if s.x + s.side > 0 and s.y + s.side > 0 and s.x < width and s.y < height]


async def _likely_circles(photo: Pixels, squares: list[Square], infer: Infer) -> list[Circle]:
    """Circles on the photo where a first look shows what may be an iris, best first."""
    ranked = []
    for square, (disc, presence) in zip(squares, await _first_looks(photo, squares, infer), strict=True):
        if presence >= MAYBE_PRESENT:
            for circle in _circles_of(disc):
                ranked.append((_rank(presence, circle), _on_photo(circle, square, infer.segment_px)))
    ranked.sort(key=lambda pair: -pair[0])
    return [circle for _, circle in ranked]


async def _first_looks(photo: Pixels, squares: list[Square], infer: Infer) -> list[tuple[ProbabilityMap, float]]:
    """The disc (S, S) and the presence in each square, a few squares in each call."""
    looks = []
    for start in range(0, len(squares), SQUARES_PER_CALL):
        images = np.stack([square.cut(photo, infer.segment_px) for square in squares[start : start + SQUARES_PER_CALL]])
        segmentation = await infer.segment(images)
        discs = segmentation.probabilities[..., IRIS] + segmentation.probabilities[..., PUPIL]
        looks += list(zip(discs, map(float, segmentation.presence), strict=True))
    return looks


def _circles_of(disc: ProbabilityMap) -> list[Circle]:
    """The circles of the largest few pieces: in a portrait the network takes hair for an iris beside the real one."""
    circles, remaining = [], disc > 0.5
    for _ in range(MAX_PIECES):
        piece = largest_piece(remaining)
        if circle := fit_circle(piece):
            circles.append(circle)
        remaining = remaining & ~piece
    return circles


def _rank(presence: float, circle: Circle) -> float:
    """How likely a circle is the iris of an open eye; only good for comparing."""
    return presence * circle.mask_share * circle.outline_share


def _on_photo(circle: Circle, square: Square, side_px: int) -> Circle:
    """The circle, seen in `square` at `side_px`, in the photo's pixels."""
    scale = square.side / side_px
    return replace(circle, x=square.x + circle.x * scale, y=square.y + circle.y * scale, radius=circle.radius * scale)
