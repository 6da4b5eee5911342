"""Find the iris: a look at the whole frame, then closer and closer looks at the eye."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import IrisTooSmall, NoIrisFound
from orchestrator.inference.contracts import IRIS, PUPIL, Infer
from orchestrator.pipeline.geometry import Circle, Square, fit_circle, largest_piece, whole
from orchestrator.pipeline.images import Mask, Pixels

Field = NDArray[np.float32]
CROP_SIDES = (2.3, 1.8, 1.8)  # side of each closer look, in iris diameters
PYRAMID_LEVELS = 3  # whole frame, halves, quarters: down to an eye in a portrait
SQUARES_A_CALL = 8
MAX_CHANGE = 1.4
PIECES, CANDIDATES = 3, 4
MAYBE_PRESENT, MIN_PRESENCE = 0.3, 0.6  # worth a closer look; in the closer looks
MIN_RADIUS_PX, MIN_VISIBLE_RADIUS_PX = 20, 14  # of the circle; of a disc with as many pixels as can be seen
MIN_VISIBLE, MIN_IN_CIRCLE, MIN_ON_CIRCLE, MIN_CONFIDENCE = 0.2, 0.8, 0.15, 0.3
UNDECIDED = (0.1, 0.9)
MIN_MIRRORED = 0.2  # of the reflection map: recall and precision nearest to 0.9 and 0.8 on drawn eyes


@dataclass(frozen=True)
class IrisMasks:
    """What was found, on the photo's grid: `iris` (with its pupil), `pupil`, `mirrored` (reflections), (H, W) bool.

    `circle` is the whole iris as if no lid covered it; `presence`, 0–1, says how sure it is an open human eye;
    `confidence`, 0–1, also whether the outline can be trusted (model_repository/iris_unet/MODEL.md has its ROC).
    """

    iris: Mask
    pupil: Mask
    mirrored: Mask
    circle: Circle
    presence: float
    confidence: float


async def _look(photo: Pixels, squares: list[Square], infer: Infer) -> list[tuple[Field, float]]:
    """For each square its disc (S, S), how likely each pixel is iris or pupil, and presence; a few squares a call."""
    answers = []
    for start in range(0, len(squares), SQUARES_A_CALL):
        images = np.stack([square.cut(photo, infer.segment_px) for square in squares[start : start + SQUARES_A_CALL]])
        found = await infer.segment(images)
        discs = found.probabilities[..., IRIS] + found.probabilities[..., PUPIL]
        answers += list(zip(discs, map(float, found.presence), strict=True))
    return answers


@dataclass(frozen=True)
class _Look:
    """One close look: `disc`, `pupil` and `reflection` (S, S), 0–1, and presence."""

    disc: Field
    pupil: Field
    reflection: Field
    presence: float


async def _look_twice(photo: Pixels, square: Square, infer: Infer) -> _Look:
    """The square and its mirror image, averaged."""
    image = square.cut(photo, infer.segment_px)
    found = await infer.segment(np.stack([image, image[:, ::-1]]))
    classes = (found.probabilities[0] + found.probabilities[1, :, ::-1]) / 2
    reflection = (found.reflection[0] + found.reflection[1, :, ::-1]) / 2
    return _Look(
        classes[..., IRIS] + classes[..., PUPIL], classes[..., PUPIL], reflection, float(found.presence.mean())
    )


def _circle_of(disc: Field) -> Circle | None:
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
class _Found:
    """A close look at a candidate: its square, the circle in the network's pixels, what was seen."""

    square: Square
    circle: Circle
    look: _Look


async def _look_closer(photo: Pixels, at: Circle, diameters: float, infer: Infer) -> _Found | None:
    """Look at the square of so many iris diameters around a circle of the photo; None where nothing round is there."""
    side = 2 * at.radius * diameters
    square = Square(at.x - side / 2, at.y - side / 2, side)
    look = await _look_twice(photo, square, infer)
    circle = _circle_of(look.disc)
    return _Found(square, circle, look) if circle else None


async def _candidates(photo: Pixels, infer: Infer) -> AsyncIterator[_Found]:
    """Where a closer look sees an open eye, best first; in the whole frame, then in smaller and smaller squares."""
    for level in range(PYRAMID_LEVELS):
        squares = _pyramid(photo, level, infer.segment_px)
        if not squares:
            break
        candidates = []
        for square, (disc, presence) in zip(squares, await _look(photo, squares, infer), strict=True):
            if presence >= MAYBE_PRESENT:
                for circle in _circles_of(disc):
                    rank = presence * circle.in_it * circle.on_it
                    candidates.append((rank, _on_photo(circle, square, infer.segment_px)))
        candidates.sort(key=lambda c: -c[0])
        looks = [await _look_closer(photo, at, CROP_SIDES[0], infer) for _, at in candidates[:CANDIDATES]]
        expected_px = infer.segment_px / (2 * CROP_SIDES[0])  # what is there closer up is what was seen from afar
        seen = [
            found
            for found in looks
            if found and found.look.presence >= MIN_PRESENCE and 0.5 < found.circle.radius / expected_px < 2.0
        ]
        for found in sorted(seen, key=lambda f: -f.look.presence * f.circle.in_it * f.circle.on_it):
            yield found


async def segment(photo: Pixels, infer: Infer) -> IrisMasks:
    """Find the iris, its pupil and how sure the network is.

    Args:
        photo: (H, W, 3) uint8 sRGB, upright; H and W from 64 to 12,000 px.
        infer: runs the segmenter.

    Raises:
        NoIrisFound: no open eye, or the mask covers too little or is not one round shape. Not retried.
        IrisTooSmall: found, but with too few pixels to make a picture of. Not retried.
        ModelUnavailable: no answer within the deadline. Retried once.

    Source: passes after PMC7922029 and model_repository/iris_unet/MODEL.md.
    """
    async for found in _candidates(photo, infer):
        try:
            return await _follow(photo, found, infer)
        except NoIrisFound:
            pass  # what looked like an eye from afar was none; another may be one
    raise NoIrisFound


async def _follow(photo: Pixels, found: _Found, infer: Infer) -> IrisMasks:
    """Closer and closer looks at one candidate; raises NoIrisFound, IrisTooSmall."""
    seen = [found.look.presence]
    for diameters in CROP_SIDES[1:]:
        at = _on_photo(found.circle, found.square, infer.segment_px)
        closer = await _look_closer(photo, at, diameters, infer)
        if closer is None:
            raise NoIrisFound
        change = _on_photo(closer.circle, closer.square, infer.segment_px).radius / at.radius
        if not 1 / MAX_CHANGE < change < MAX_CHANGE and _trust(closer.look) <= _trust(found.look):
            break  # a closer look corrects a little; one that changes much and is no surer has lost the eye
        found = closer
        seen.append(found.look.presence)
    look, square, sure = found.look, found.square, float(np.mean(seen))
    confidence = sure * _decided(look.disc)
    _check(look.disc, found.circle, sure, confidence)
    at = _on_photo(found.circle, square, infer.segment_px)
    height, width = photo.shape[:2]
    mirrored_field = look.reflection + (0.5 - MIN_MIRRORED)
    fields = _in_one_piece(look.disc), _in_one_piece(look.pupil), mirrored_field.astype(np.float32)
    iris, pupil, mirrored = [await asyncio.to_thread(square.paste, f, height, width) for f in fields]
    if at.radius < MIN_RADIUS_PX or np.sqrt(np.count_nonzero(iris) / np.pi) < MIN_VISIBLE_RADIUS_PX:
        raise IrisTooSmall
    pupil &= iris
    mirrored &= iris
    return IrisMasks(iris, pupil, mirrored, at, sure, confidence)


def _in_one_piece(field: Field) -> Field:
    """The field with its largest piece above one half kept, the holes in that piece filled, the rest 0."""
    piece = largest_piece(field > 0.5)
    nearby = cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # the slope where the outline runs
    return np.where(piece, np.maximum(field, 0.51), np.where(nearby, field, 0)).astype(np.float32)


def _on_photo(circle: Circle, square: Square, side_px: int) -> Circle:
    """The circle found in `square` as the network saw it, in the photo's pixels."""
    scale = square.side / side_px
    return replace(circle, x=square.x + circle.x * scale, y=square.y + circle.y * scale, radius=circle.radius * scale)


def _trust(look: _Look) -> float:
    return look.presence * _decided(look.disc)


def _decided(disc: Field) -> float:
    """1 less the pixels that the network can't make up its mind about, as a share of those that it takes for iris.

    A clear outline is a thin line of them; where lids, lashes or the dark hide the limbus, or nothing is an iris, there
    are many.
    """
    undecided = np.count_nonzero((disc > UNDECIDED[0]) & (disc < UNDECIDED[1]))
    return max(0.0, 1.0 - undecided / max(int(np.count_nonzero(largest_piece(disc > 0.5))), 1))


def _check(disc: Field, circle: Circle, presence: float, confidence: float) -> None:
    """Raises NoIrisFound unless what was found is one round shape of which enough can be seen."""
    visible = largest_piece(disc > 0.5).sum() / (np.pi * circle.radius**2)
    if presence < MIN_PRESENCE or confidence < MIN_CONFIDENCE or visible < MIN_VISIBLE:
        raise NoIrisFound
    if circle.in_it < MIN_IN_CIRCLE or circle.on_it < MIN_ON_CIRCLE:
        raise NoIrisFound
