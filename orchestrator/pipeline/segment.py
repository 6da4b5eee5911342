"""Find the iris, its pupil and its reflections: closer and closer looks at an eye."""

import asyncio
from dataclasses import dataclass

import numpy as np

from orchestrator.errors import IrisTooSmall, NoIrisFound
from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.geometry import Circle, largest_piece
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.outline_fit import largest_piece_of, outline_on_photo
from orchestrator.pipeline.search import (
    LOOK_DIAMETERS,
    MIN_PRESENCE,
    Candidate,
    Look,
    ProbabilityMap,
    find_candidates,
    look_closer,
)

MAX_CHANGE = 1.4  # of the radius, from one look to the next
MIN_RADIUS_PX = 20  # of the circle
MIN_VISIBLE_RADIUS_PX = 14  # of a disc with as many pixels as can be seen of the iris
MIN_VISIBLE = 0.2  # share of the circle that can be seen
MIN_MASK_SHARE, MIN_OUTLINE_SHARE = 0.8, 0.15  # see `Circle`
MIN_CONFIDENCE = 0.3
UNDECIDED = (0.1, 0.9)  # between these a pixel may be iris or not
MIN_REFLECTION = 0.2  # of the reflection map: recall and precision nearest to 0.9 and 0.8 on drawn eyes


@dataclass(frozen=True)
class IrisMasks:
    """An iris on the photo's grid: `iris` (with its pupil), `pupil` and `reflection` are (H, W) bool.

    `outline` is the line around `iris`, to a fraction of a pixel.
    `circle` is the entire iris as if no lid covered it. `presence`, 0–1, says how likely it is an open human eye;
    `confidence`, 0–1, also how far the outline can be trusted (its ROC is in model_repository/iris_unet/MODEL.md).
    """

    iris: Mask
    pupil: Mask
    reflection: Mask
    circle: Circle
    presence: float
    confidence: float
    outline: Outline


async def segment(photo: Pixels, infer: Infer) -> IrisMasks:
    """Find the iris, its pupil and its reflections, and how confident the network is.

    Args:
        photo: (H, W, 3) uint8 sRGB, upright; H and W from 64 to 12,000 px.
        infer: runs the segmenter.

    Raises:
        NoIrisFound: no open eye, or the mask covers too little or is not one round shape. Not retried.
        IrisTooSmall: there is an iris, but with too few pixels to make a picture of. Not retried.
        ModelUnavailable: no answer within the deadline. Retried once.

    Source: passes after PMC7922029 and model_repository/iris_unet/MODEL.md.
    """
    async for candidate in find_candidates(photo, infer):
        try:
            refined, presence = await _refine(photo, candidate, infer)
            return await _masks_of(photo, refined, presence)
        except NoIrisFound:
            pass  # what looked like an eye from afar was none; the next may be one
    raise NoIrisFound


async def _refine(photo: Pixels, candidate: Candidate, infer: Infer) -> tuple[Candidate, float]:
    """Look closer and closer; the last look worth keeping, and the mean presence of all. Raises NoIrisFound."""
    presences = [candidate.look.presence]
    for diameters in LOOK_DIAMETERS[1:]:
        closer = await look_closer(photo, candidate.circle_on_photo, diameters, infer)
        if closer is None:
            raise NoIrisFound
        change = closer.circle_on_photo.radius / candidate.circle_on_photo.radius
        if not 1 / MAX_CHANGE < change < MAX_CHANGE and _confidence(closer.look) <= _confidence(candidate.look):
            break  # a closer look corrects a little; one that changes much and is no more confident has lost the eye
        candidate = closer
        presences.append(candidate.look.presence)
    return candidate, float(np.mean(presences))


async def _masks_of(photo: Pixels, candidate: Candidate, presence: float) -> IrisMasks:
    """The masks of the last look, on the photo's grid. Raises NoIrisFound, IrisTooSmall."""
    look, square, circle = candidate.look, candidate.square, candidate.circle_on_photo
    confidence = presence * outline_clarity(look.disc)
    _require_an_iris(look.disc, candidate.circle, presence, confidence)
    reflection_map = (look.reflection + (0.5 - MIN_REFLECTION)).astype(np.float32)
    height, width = photo.shape[:2]
    outline = await asyncio.to_thread(outline_on_photo, look.disc, candidate.circle, square, height, width)
    iris = await asyncio.to_thread(outline.mask, height, width)
    maps = largest_piece_of(look.pupil), reflection_map
    pupil, reflection = [await asyncio.to_thread(square.paste, values, height, width) for values in maps]
    if circle.radius < MIN_RADIUS_PX or np.sqrt(np.count_nonzero(iris) / np.pi) < MIN_VISIBLE_RADIUS_PX:
        raise IrisTooSmall
    pupil &= iris
    reflection &= iris
    return IrisMasks(iris, pupil, reflection, circle, presence, confidence, outline)


def _confidence(look: Look) -> float:
    return look.presence * outline_clarity(look.disc)


def outline_clarity(disc: ProbabilityMap) -> float:
    """1 minus the number of undecided pixels, as a share of those that are taken for iris; at least 0.

    A clear outline is a thin line of undecided pixels; where lids, lashes or the dark hide the limbus, or nothing is an
    iris, there are many.
    """
    undecided = np.count_nonzero((disc > UNDECIDED[0]) & (disc < UNDECIDED[1]))
    return max(0.0, 1.0 - undecided / max(int(np.count_nonzero(largest_piece(disc > 0.5))), 1))


def _require_an_iris(disc: ProbabilityMap, circle: Circle, presence: float, confidence: float) -> None:
    """Raises NoIrisFound unless the disc is one round shape, with enough of it visible."""
    visible = largest_piece(disc > 0.5).sum() / (np.pi * circle.radius**2)
    if presence < MIN_PRESENCE or confidence < MIN_CONFIDENCE or visible < MIN_VISIBLE:
        raise NoIrisFound
    if circle.mask_share < MIN_MASK_SHARE or circle.outline_share < MIN_OUTLINE_SHARE:
        raise NoIrisFound
