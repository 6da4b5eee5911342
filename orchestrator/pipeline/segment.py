"""Find the iris: a look at the whole frame, then closer and closer looks at the eye."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import IrisTooSmall, NoIrisFound
from orchestrator.inference.contracts import IRIS, PUPIL, Infer
from orchestrator.pipeline.geometry import Circle, Square, fit_circle, largest_piece, whole
from orchestrator.pipeline.images import Mask, Pixels

CROP_SIDES = (2.3, 1.8, 1.8)  # side of each closer look, in iris diameters
MIN_PRESENCE = 0.5
MIN_RADIUS_PX = 20
MIN_VISIBLE, MIN_IN_CIRCLE, MIN_ON_CIRCLE = 0.2, 0.85, 0.3


@dataclass(frozen=True)
class IrisMasks:
    """`iris` (with its pupil) and `pupil`, (H, W) bool on the photo's grid; the circle; `presence`, 0–1."""

    iris: Mask
    pupil: Mask
    circle: Circle
    presence: float


def _flipped_too(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([images, images[:, :, ::-1]])


async def _look(photo: Pixels, squares: list[Square], infer: Infer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities (N, S, S, C) and presence (N,) for each square, averaged with the mirror image's."""
    images = np.stack([square.cut(photo, infer.segment_px) for square in squares])
    found = await infer.segment(_flipped_too(images))
    n = len(squares)
    probabilities = (found.probabilities[:n] + found.probabilities[n:, :, ::-1]) / 2
    return probabilities, (found.presence[:n] + found.presence[n:]) / 2


def _disc(probabilities: NDArray[np.float32]) -> tuple[NDArray[np.float32], Circle | None]:
    disc = probabilities[..., IRIS] + probabilities[..., PUPIL]
    return disc, fit_circle(largest_piece(disc > 0.5))


def _pyramid(photo: Pixels) -> list[Square]:
    """Nine overlapping squares of half the frame's longer side: for eyes that are small in the frame."""
    frame = whole(photo)
    half, step = frame.side / 2, frame.side / 4
    return [Square(frame.x + i * step, frame.y + j * step, half) for j in range(3) for i in range(3)]


async def _locate(photo: Pixels, infer: Infer) -> tuple[Square, Circle, float]:
    """The square in which the eye shows best, its circle in the network's pixels, and the presence there."""
    for squares in ([whole(photo)], _pyramid(photo)):
        probabilities, presence = await _look(photo, squares, infer)
        found = [(p, s, _disc(q)[1]) for p, s, q in zip(presence, squares, probabilities, strict=True)]
        good = [(float(p) * c.in_it * c.radius, s, c, float(p)) for p, s, c in found if c and p >= MIN_PRESENCE]
        if good:
            _, square, circle, seen = max(good, key=lambda g: g[0])
            return square, circle, seen
    raise NoIrisFound


async def segment(photo: Pixels, infer: Infer) -> IrisMasks:
    """Find the iris, its pupil and how sure the network is.

    Args:
        photo: (H, W, 3) uint8 sRGB, upright; H and W from 64 to 12,000 px.

    Raises:
        NoIrisFound: no open eye, or the mask covers too little or is not one round shape. Not retried.
        IrisTooSmall: found, but with too few pixels to make a picture of. Not retried.
        ModelUnavailable: no answer within the deadline. Retried once.

    Source: passes after PMC7922029 and model_repository/iris_unet/MODEL.md.
    """
    square, circle, presence = await _locate(photo, infer)
    seen = [presence]
    disc = pupil = np.zeros((1, 1), np.float32)
    for diameters in CROP_SIDES:
        at = _on_photo(circle, square, infer.segment_px)
        side = 2 * at.radius * diameters
        square = Square(at.x - side / 2, at.y - side / 2, side)
        probabilities, presences = await _look(photo, [square], infer)
        disc, found = _disc(probabilities[0])
        pupil = probabilities[0, ..., PUPIL]
        if found is None:
            raise NoIrisFound
        circle = found
        seen.append(float(presences[0]))
    sure = float(np.mean(seen))
    _check(disc, circle, sure)
    at = _on_photo(circle, square, infer.segment_px)
    if at.radius < MIN_RADIUS_PX:
        raise IrisTooSmall
    height, width = photo.shape[:2]
    iris = largest_piece(square.paste(disc, height, width) > 0.5)
    hole = largest_piece(square.paste(pupil, height, width) > 0.5) & iris
    return IrisMasks(iris, hole, at, sure)


def _on_photo(circle: Circle, square: Square, side_px: int) -> Circle:
    """The circle found in `square` as the network saw it, in the photo's pixels."""
    scale = square.side / side_px
    return replace(circle, x=square.x + circle.x * scale, y=square.y + circle.y * scale, radius=circle.radius * scale)


def _check(disc: NDArray[np.float32], circle: Circle, presence: float) -> None:
    """Raises NoIrisFound unless what was found is one round shape of which enough can be seen."""
    visible = largest_piece(disc > 0.5).sum() / (np.pi * circle.radius**2)
    if presence < MIN_PRESENCE or visible < MIN_VISIBLE:
        raise NoIrisFound
    if circle.in_it < MIN_IN_CIRCLE or circle.on_it < MIN_ON_CIRCLE:
        raise NoIrisFound
