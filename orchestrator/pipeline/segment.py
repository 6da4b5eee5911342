"""Find the iris, its pupil and its reflections: closer and closer looks at an eye."""

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.errors import IrisTooSmall
from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.candidate import Candidate
from orchestrator.pipeline.geometry import Circle, largest_piece, on_photo
from orchestrator.pipeline.hypotheses import read_outline
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.outline_fit import outlines_on_photo
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.pupil import fit_pupil
from orchestrator.pipeline.refusal import reason
from orchestrator.pipeline.search import (
    LAST_IF_LIKELY,
    LIKELY,
    MIN_PRESENCE,
    SURE,
    Looked,
    Point,
    find_candidates,
    ignore_look,
)

MIN_RADIUS_PX = 20  # of the circle
MIN_VISIBLE_RADIUS_PX = 14  # of a disc with as many pixels as can be seen of the iris
MIN_VISIBLE = 0.2  # share of the circle that can be seen
MIN_MASK_SHARE, MIN_OUTLINE_SHARE = 0.8, 0.15  # see `Circle`
MIN_CONFIDENCE = 0.3
MIN_TURNED_CONFIDENCE, MIN_BESIDE_SCLERA = 0.4, 0.1  # three turns more are three chances more to see what is not there
ALIKE = 0.8  # of the better one's standing and of the larger one's radius: two eyes of one portrait
MIN_REFLECTION = 0.2  # of the reflection map: recall and precision nearest to 0.9 and 0.8 on drawn eyes


@dataclass(frozen=True)
class IrisMasks:
    """An iris on the photo's grid: `iris` (with its pupil), `pupil` and `reflection` are (H, W) bool.

    `pupil` is empty where it can't be told from the iris.

    `clean_outline` is the line around what the picture shows, to a fraction of a pixel: `iris` without sclera or lid.
    `circle` is the entire iris as if no lid covered it. `presence`, 0–1, says how likely it is an open human eye;
    `confidence`, 0–1, also how far the outline can be trusted (its ROC is in model_repository/iris_unet/MODEL.md).
    `other_eye` is where another eye is that is as good, 0–1 of the photo's width and height.
    """

    iris: Mask
    pupil: Mask
    reflection: Mask
    circle: Circle
    presence: float
    confidence: float
    clean_outline: Outline
    turn: int = 0
    other_eye: Point | None = None

    @property
    def eyes_found(self) -> int:
        """2 where another eye is as good."""
        return 2 if self.other_eye else 1


async def segment(photo: Pixels, infer: Infer, at: Point | None = None, looked: Looked = ignore_look) -> IrisMasks:
    """Find the iris, its pupil and its reflections, and how confident the network is.

    Args:
        photo: (H, W, 3) uint8 sRGB; H and W from 64 to 12,000 px. An eye may lie on its side.
        infer: runs the segmenter.
        at: where the eye is, 0–1 of the photo's width and height, if somebody said so.
        looked: awaited after each first look at a part of the photo, before the closer ones.

    Raises:
        NoIrisFound: no open eye, or the mask covers too little or is not one round shape. Not retried.
        TooDark, TooBlurred, LidTooLow, ReflectionCovers: likewise, and this is why. Not retried.
        IrisTooSmall: there is an iris, but with too few pixels to make a picture of. Not retried.
        ModelUnavailable: no answer within the deadline. Retried once.

    Source: passes after PMC7922029 and model_repository/iris_unet/MODEL.md.
    """
    seen: list[Candidate] = []
    irises: list[Candidate] = []
    async for stage, candidates in find_candidates(photo, infer, at, looked):
        seen += candidates
        irises = [candidate for candidate in seen if _is_an_iris(candidate)]
        best = max((candidate.standing for candidate in irises), default=0.0)
        if best >= SURE or (best >= LIKELY and stage >= LAST_IF_LIKELY):
            break
    if not irises:
        raise await asyncio.to_thread(reason, photo, seen)
    eyes = _equally_good(irises)
    eye, *others = sorted(eyes, key=lambda eye: -eye.circle_on_photo.radius)
    masks = await _masks_of(photo, await read_outline(photo, eye, infer), eye.confidence)
    return replace(masks, other_eye=_place_of(others[0], photo)) if others else masks


def _place_of(candidate: Candidate, photo: Pixels) -> Point:
    circle, (height, width) = candidate.circle_on_photo, photo.shape[:2]
    return min(max(circle.x / width, 0.0), 1.0), min(max(circle.y / height, 0.0), 1.0)


def _equally_good(irises: list[Candidate]) -> list[Candidate]:
    """The best candidate, and another eye beside it that is about as large and as clear; at most two."""
    best, *others = sorted(irises, key=lambda candidate: -candidate.standing)
    for other in others:
        circles = best.circle_on_photo, other.circle_on_photo
        radii = sorted(circle.radius for circle in circles)
        alike = other.standing >= ALIKE * best.standing and radii[0] >= ALIKE * radii[1]
        if alike and other.turn == best.turn and not circles[0].touches(circles[1]):
            return [best, other]
    return [best]


async def _masks_of(photo: Pixels, candidate: Candidate, confidence: float) -> IrisMasks:
    """The masks of the last look, on the photo's grid. Raises IrisTooSmall."""
    look, square, circle = candidate.look, candidate.square, candidate.circle_on_photo
    reflection_map = (look.reflection + (0.5 - MIN_REFLECTION)).astype(np.float32)
    height, width = photo.shape[:2]
    outline, clean = await asyncio.to_thread(outlines_on_photo, look.disc, candidate.circle, square, photo)
    iris = await asyncio.to_thread(outline.mask, height, width)
    reflection = await asyncio.to_thread(square.paste, reflection_map, height, width)
    clear = largest_piece(look.disc > 0.5) & (reflection_map <= 0.5)
    pupil_circle = await asyncio.to_thread(fit_pupil, look.pupil, clear, candidate.circle)
    pupil = np.zeros_like(iris)
    if pupil_circle:
        half = (square.side / len(look.disc) - 1) / 2  # from the corner of a pixel of the map to its middle
        pupil = on_photo(pupil_circle, square, len(look.disc)).moved(half, half).disc(height, width) & iris
    if circle.radius < MIN_RADIUS_PX or np.sqrt(np.count_nonzero(iris) / np.pi) < MIN_VISIBLE_RADIUS_PX:
        raise IrisTooSmall
    reflection &= iris
    return IrisMasks(iris, pupil, reflection, circle, look.presence, confidence, clean, candidate.turn)


def _is_small(candidate: Candidate) -> bool:
    return candidate.circle_on_photo.radius < MIN_RADIUS_PX


def _is_an_iris(candidate: Candidate) -> bool:
    """Whether an eye is there and its disc is one round shape, with enough of it visible.

    One that is turned or very small must lie beside its sclera too: craters and rims of cups do not.
    """
    disc, circle = candidate.look.disc, candidate.circle
    visible = largest_piece(disc > 0.5).sum() / (np.pi * circle.radius**2)
    return bool(
        candidate.look.presence >= MIN_PRESENCE
        and candidate.confidence >= (MIN_TURNED_CONFIDENCE if candidate.turn else MIN_CONFIDENCE)
        and (candidate.beside_sclera >= MIN_BESIDE_SCLERA or not (candidate.turn or _is_small(candidate)))
        and visible >= MIN_VISIBLE
        and circle.mask_share >= MIN_MASK_SHARE
        and circle.outline_share >= MIN_OUTLINE_SHARE
    )
