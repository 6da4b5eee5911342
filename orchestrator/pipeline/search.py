"""Where in a photo an eye is: looks at the whole frame, then at smaller and smaller squares."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import IRIS, PUPIL, Infer
from orchestrator.pipeline.geometry import Circle, Square, fit_circle, largest_piece, whole
from orchestrator.pipeline.images import Pixels

Field = NDArray[np.float32]
CROP_SIDES = (2.3, 1.8, 1.8)  # side of each closer look, in iris diameters
PYRAMID_LEVELS = 3  # whole frame, halves, quarters: down to an eye in a portrait
SQUARES_A_CALL = 8
PIECES, CANDIDATES = 3, 4
MAYBE_PRESENT, MIN_PRESENCE = 0.3, 0.6  # worth a closer look; in the closer looks


async def look(photo: Pixels, squares: list[Square], infer: Infer) -> list[tuple[Field, float]]:
    """For each square its disc (S, S), how likely each pixel is iris or pupil, and presence; a few squares a call."""
    answers = []
    for start in range(0, len(squares), SQUARES_A_CALL):
        images = np.stack([square.cut(photo, infer.segment_px) for square in squares[start : start + SQUARES_A_CALL]])
        found = await infer.segment(images)
        discs = found.probabilities[..., IRIS] + found.probabilities[..., PUPIL]
        answers += list(zip(discs, map(float, found.presence), strict=True))
    return answers


@dataclass(frozen=True)
class Look:
    """One close look: `disc`, `pupil` and `reflection` (S, S), 0–1, and presence."""

    disc: Field
    pupil: Field
    reflection: Field
    presence: float


async def look_twice(photo: Pixels, square: Square, infer: Infer) -> Look:
    """The square and its mirror image, averaged."""
    image = square.cut(photo, infer.segment_px)
    found = await infer.segment(np.stack([image, image[:, ::-1]]))
    classes = (found.probabilities[0] + found.probabilities[1, :, ::-1]) / 2
    reflection = (found.reflection[0] + found.reflection[1, :, ::-1]) / 2
    return Look(classes[..., IRIS] + classes[..., PUPIL], classes[..., PUPIL], reflection, float(found.presence.mean()))


def circle_of(disc: Field) -> Circle | None:
    """The circle of the largest piece of a disc; None where it is not round."""
    return fit_circle(largest_piece(disc > 0.5))


def _circles_of(disc: Field) -> list[Circle]:
    """The circles of the largest few pieces: in a portrait the network takes hair for an iris beside the real one."""
    found, left = [], disc > 0.5
    for _ in range(PIECES):
        piece = largest_piece(left)
        if circle := fit_circle(piece):
            found.append(circle)
        left = left & ~piece
    return found


def _pyramid(photo: Pixels, level: int, side_px: int) -> list[Square]:
    """The whole frame at level 0, then squares half as long that overlap by half; none smaller than `side_px` / 2."""
    frame = whole(photo)
    side = frame.side / 2**level
    if level and side < side_px / 2:
        return []
    steps = 2 ** (level + 1) - 1
    squares = [Square(frame.x + i * side / 2, frame.y + j * side / 2, side) for j in range(steps) for i in range(steps)]
    height, width = photo.shape[:2]
    return [s for s in squares if s.x + s.side > 0 and s.y + s.side > 0 and s.x < width and s.y < height]


@dataclass(frozen=True)
class Candidate:
    """A close look at a candidate: its square, the circle in the network's pixels, what was seen."""

    square: Square
    circle: Circle
    look: Look


async def look_closer(photo: Pixels, at: Circle, diameters: float, infer: Infer) -> Candidate | None:
    """Look at the square of so many iris diameters around a circle of the photo; None where nothing round is there."""
    side = 2 * at.radius * diameters
    square = Square(at.x - side / 2, at.y - side / 2, side)
    look = await look_twice(photo, square, infer)
    circle = circle_of(look.disc)
    return Candidate(square, circle, look) if circle else None


async def candidates(photo: Pixels, infer: Infer) -> AsyncIterator[Candidate]:
    """Where a closer look sees an open eye, best first; in the whole frame, then in smaller and smaller squares."""
    for level in range(PYRAMID_LEVELS):
        squares = _pyramid(photo, level, infer.segment_px)
        if not squares:
            break
        candidates = []
        for square, (disc, presence) in zip(squares, await look(photo, squares, infer), strict=True):
            if presence >= MAYBE_PRESENT:
                for circle in _circles_of(disc):
                    rank = presence * circle.in_it * circle.on_it
                    candidates.append((rank, on_photo(circle, square, infer.segment_px)))
        candidates.sort(key=lambda c: -c[0])
        looks = [await look_closer(photo, at, CROP_SIDES[0], infer) for _, at in candidates[:CANDIDATES]]
        expected_px = infer.segment_px / (2 * CROP_SIDES[0])  # what is there closer up is what was seen from afar
        seen = [
            found
            for found in looks
            if found and found.look.presence >= MIN_PRESENCE and 0.5 < found.circle.radius / expected_px < 2.0
        ]
        for found in sorted(seen, key=lambda f: -f.look.presence * f.circle.in_it * f.circle.on_it):
            yield found


def on_photo(circle: Circle, square: Square, side_px: int) -> Circle:
    """The circle found in `square` as the network saw it, in the photo's pixels."""
    scale = square.side / side_px
    return replace(circle, x=square.x + circle.x * scale, y=square.y + circle.y * scale, radius=circle.radius * scale)
