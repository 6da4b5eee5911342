"""What versions of a model answer to the golden pictures, with scores and times."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BadModelOutput, IrisvueError
from orchestrator.inference.protocol import ENHANCER, IRIS, PUPIL, Infer, Segmentation
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.search import MIN_PRESENCE
from orchestrator.publishing.golden import GoldenPicture
from orchestrator.reporting import Report

MAX_PSNR_DB = 99.0  # that of two equal pictures would be infinite
LONG_CALL_S = 3.0  # what a first call takes longer is lost in it


@dataclass(frozen=True)
class Answer:
    """What one version made of one picture; a higher score is better.

    `score` is the IoU, or whether an eye was rightly (not) seen (0–1), for the segmenter; PSNR in dB for the enhancer.
    `output` is (S, S) float32, iris with pupil, or (4T, 4T, 3) uint8. Where there is none, `problem` says why.
    """

    score: float
    output: NDArray[np.generic] | None
    seconds: float
    problem: str | None = None


async def collect_answers(
    model: str, infers: Sequence[Infer], pictures: Sequence[GoldenPicture], repeats: int, report: Report
) -> list[list[Answer]]:
    """Each provider's answers, in the order of the pictures.

    The providers take turns on every picture, so that a busy machine slows them alike. An answer's time is the median
    of `repeats` calls, after a first one that does not count; a call above LONG_CALL_S is made once, and counts.
    """
    by_provider: list[list[Answer]] = [[] for _ in infers]
    for number, picture in enumerate(pictures, 1):
        for infer, answers in zip(infers, by_provider, strict=True):
            answers.append(await _answer(model, infer, picture, repeats))
        report(f"Golden pictures: {number} of {len(pictures)}", number / len(pictures))
    return by_provider


async def _answer(model: str, infer: Infer, picture: GoldenPicture, repeats: int) -> Answer:
    times = []
    try:
        for _ in range(repeats + 1):
            started = time.perf_counter()
            output = await (infer.upscale(picture.image) if model == ENHANCER else infer.segment(picture.image[None]))
            times.append(time.perf_counter() - started)
            if times[-1] > LONG_CALL_S:
                break
    except IrisvueError as error:
        return Answer(0.0, None, float("nan"), error.detail if isinstance(error, BadModelOutput) else str(error))
    seconds = float(np.median(times[1:] or times))
    if isinstance(output, Segmentation):
        return await asyncio.to_thread(_segmenter_answer, output, picture.mask, seconds)
    return _enhancer_answer(output, picture.large, seconds)


def _segmenter_answer(output: Segmentation, truth: Mask | None, seconds: float) -> Answer:
    disc = output.probabilities[0, ..., IRIS] + output.probabilities[0, ..., PUPIL]
    seen = float(output.presence[0]) >= MIN_PRESENCE
    return Answer(_score(disc > 0.5, truth, seen), disc, seconds)


def _score(mask: Mask, truth: Mask | None, seen: bool) -> float:
    """IoU where there is an eye and it was seen; 1 where there is none and none was seen; otherwise 0."""
    if truth is None or not seen:
        return float((truth is None) == (not seen))
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def _enhancer_answer(output: Pixels, truth: Pixels | None, seconds: float) -> Answer:
    if truth is None:
        raise ValueError("A golden picture for the enhancer needs its large picture.")
    return Answer(min(float(cv2.PSNR(output, truth)), MAX_PSNR_DB), output, seconds)
