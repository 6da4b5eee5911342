"""Find the iris and its pupil: closer and closer looks at an eye."""

import asyncio
from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.errors import IrisTooSmall, NoIrisFound
from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.geometry import Circle, largest_piece
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.search import (
    CROP_SIDES,
    MIN_PRESENCE,
    Candidate,
    Field,
    Look,
    candidates,
    look_closer,
    on_photo,
)

MAX_CHANGE = 1.4
MIN_RADIUS_PX, MIN_VISIBLE_RADIUS_PX = 20, 14  # of the circle; of a disc with as many pixels as can be seen
MIN_VISIBLE, MIN_IN_CIRCLE, MIN_ON_CIRCLE, MIN_CONFIDENCE = 0.2, 0.8, 0.15, 0.3
UNDECIDED = (0.1, 0.9)
MIN_REFLECTION = 0.2  # of the reflection map: recall and precision nearest to 0.9 and 0.8 on drawn eyes


@dataclass(frozen=True)
class IrisMasks:
    """What was found, on the photo's grid: `iris` (with its pupil), `pupil`, `reflection` (reflections), (H, W) bool.

    `circle` is the whole iris as if no lid covered it; `presence`, 0–1, says how sure it is an open human eye;
    `confidence`, 0–1, also whether the outline can be trusted (model_repository/iris_unet/MODEL.md has its ROC).
    """

    iris: Mask
    pupil: Mask
    reflection: Mask
    circle: Circle
    presence: float
    confidence: float


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
    async for found in candidates(photo, infer):
        try:
            return await _follow(photo, found, infer)
        except NoIrisFound:
            pass  # what looked like an eye from afar was none; another may be one
    raise NoIrisFound


async def _follow(photo: Pixels, found: Candidate, infer: Infer) -> IrisMasks:
    """Closer and closer looks at one candidate; raises NoIrisFound, IrisTooSmall."""
    seen = [found.look.presence]
    for diameters in CROP_SIDES[1:]:
        at = on_photo(found.circle, found.square, infer.segment_px)
        closer = await look_closer(photo, at, diameters, infer)
        if closer is None:
            raise NoIrisFound
        change = on_photo(closer.circle, closer.square, infer.segment_px).radius / at.radius
        if not 1 / MAX_CHANGE < change < MAX_CHANGE and _trust(closer.look) <= _trust(found.look):
            break  # a closer look corrects a little; one that changes much and is no surer has lost the eye
        found = closer
        seen.append(found.look.presence)
    look, square, sure = found.look, found.square, float(np.mean(seen))
    confidence = sure * _decided(look.disc)
    _check(look.disc, found.circle, sure, confidence)
    at = on_photo(found.circle, square, infer.segment_px)
    height, width = photo.shape[:2]
    reflection_field = look.reflection + (0.5 - MIN_REFLECTION)
    fields = _in_one_piece(look.disc), _in_one_piece(look.pupil), reflection_field.astype(np.float32)
    iris, pupil, reflection = [await asyncio.to_thread(square.paste, f, height, width) for f in fields]
    if at.radius < MIN_RADIUS_PX or np.sqrt(np.count_nonzero(iris) / np.pi) < MIN_VISIBLE_RADIUS_PX:
        raise IrisTooSmall
    pupil &= iris
    reflection &= iris
    return IrisMasks(iris, pupil, reflection, at, sure, confidence)


def _in_one_piece(field: Field) -> Field:
    """The field with its largest piece above one half kept, the holes in that piece filled, the rest 0."""
    piece = largest_piece(field > 0.5)
    nearby = cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # the slope where the outline runs
    return np.where(piece, np.maximum(field, 0.51), np.where(nearby, field, 0)).astype(np.float32)


def _trust(look: Look) -> float:
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
