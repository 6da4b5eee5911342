"""The scores of one drawn picture, by its seed. `drawn_eyes` calls these functions in several processes at once."""

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from export.drawing import eyes
from export.evaluation.grain import grain_ratios
from export.evaluation.metrics import iou, psnr
from orchestrator.errors import IrisvueError
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.reflections import find_reflections, remove_reflections
from orchestrator.pipeline.segment import IrisMasks, segment

WIDTH, HEIGHT = 480, 360
CROP_PX, LEAST_PX = 1024, 50
BRIGHT = 240  # grey level from which the reference takes a pixel for a reflection
FAINT = 3  # grey levels that a reflection adds; the truth begins at eyes.VISIBLE
DARK, LARGE = 70, 0.08  # grey levels of a dark iris; share of it that large reflections cover
TRUE_COLOUR, ANSWER_COLOUR = (0, 255, 0), (255, 0, 0)


@dataclass(frozen=True)
class EyeScore:
    """How sure the pipeline is of an eye, and how much its mask and the truth have in common; both 0 if refused."""

    confidence: float
    iou: float


@dataclass(frozen=True)
class ReflectionScore:
    """How one eye's reflections are found and removed.

    `pixels`: hit, marked, true, and marked where the reflection is real but too faint to be in the truth.
    `psnr`: dB inside the reflections: untouched, by BRIGHT and Telea's inpainting, by ours. `large_on_dark`: a dark
    iris that large reflections cover. `grain`: see `grain_ratios`.
    """

    pixels: tuple[int, int, int, int]
    psnr: tuple[float, float, float]
    large_on_dark: bool
    grain: list[float]


def score_eye(repository: Path, seed: int) -> EyeScore | None:
    """None where no eye is open in the picture."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup")
    if not drawn.is_eye:
        return None
    masks = _segmented(drawn, repository)
    return EyeScore(masks.confidence, iou(masks.iris, drawn.iris | drawn.pupil)) if masks else EyeScore(0.0, 0.0)


def score_no_eye(repository: Path, seed: int) -> float:
    """The confidence in a picture without an open eye; 0 where it is refused, as it should be."""
    masks = _segmented(eyes.draw(seed, WIDTH, HEIGHT, "trap" if seed % 2 else "shut"), repository)
    return masks.confidence if masks else 0.0


def score_reflections(repository: Path, seed: int) -> ReflectionScore | None:
    """None where the eye has no reflection, or was refused."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup", mild=True)
    masks = _segmented(drawn, repository)
    if masks is None:
        return None
    crop, clean = crop_iris(drawn.image, masks, CROP_PX), crop_iris(drawn.clean, masks, CROP_PX).picture
    truth = np.repeat(drawn.reflection[..., None], 3, axis=2).astype(np.uint8)
    true = (crop_iris(truth, masks, CROP_PX).picture[..., 0] > 0) & crop.masks.iris
    if true.sum() < LEAST_PX:
        return None
    marked = find_reflections(crop.picture, crop.masks)
    bright = (cv2.cvtColor(crop.picture, cv2.COLOR_RGB2GRAY) > BRIGHT).astype(np.uint8)
    reference = np.asarray(cv2.inpaint(crop.picture, bright, 3, cv2.INPAINT_TELEA), np.uint8)
    ours = remove_reflections(crop.picture, crop.masks).photo
    faint = marked & ~true & (np.abs(crop.picture.astype(np.int16) - clean).max(-1) > FAINT)
    return ReflectionScore(
        (int((marked & true).sum()), int(marked.sum()), int(true.sum()), int(faint.sum())),
        (psnr(crop.picture, clean, true), psnr(reference, clean, true), psnr(ours, clean, true)),
        _is_dark(clean, crop.masks) and bool(true.sum() > LARGE * crop.masks.iris.sum()),
        grain_ratios(ours, marked, crop.masks),
    )


def _is_dark(clean: Pixels, masks: IrisMasks) -> bool:
    fibres = masks.iris & ~masks.pupil
    return bool(np.median(clean[fibres if fibres.any() else masks.iris]) < DARK)


def with_outlines(repository: Path, seed: int) -> Pixels:
    """The picture that `score_eye` scores, with the true outline in green and the pipeline's in red."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup")
    out = drawn.image.copy()
    masks = _segmented(drawn, repository)
    for mask, colour in ((drawn.iris | drawn.pupil, TRUE_COLOUR), (masks.iris if masks else None, ANSWER_COLOUR)):
        if mask is not None:
            outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(out, outlines, -1, colour, 1)
    return out


@cache
def _infer(repository: Path) -> OnnxInfer:
    cv2.setNumThreads(1)
    return OnnxInfer(repository)


def _segmented(drawn: eyes.Drawn, repository: Path) -> IrisMasks | None:
    try:
        return asyncio.run(segment(drawn.image, _infer(repository)))
    except IrisvueError:
        return None
