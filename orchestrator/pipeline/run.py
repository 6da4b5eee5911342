"""The steps of one photo: load, segment, remove reflections, enhance. The caller saves the result."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import numpy as np

from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.object_keys import THUMBNAILS_PX
from orchestrator.pipeline.crop import Crop, crop_iris
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.detail import Detail
from orchestrator.pipeline.detail_choice import choose, natural
from orchestrator.pipeline.enhance import darken_pupil, equalise, on_black, upscale, visible
from orchestrator.pipeline.images import encode_jpeg, encode_mask
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.preview import make_preview
from orchestrator.pipeline.quality import assess
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.search import Point
from orchestrator.pipeline.segment import IrisMasks, segment
from orchestrator.pipeline.steps import ENHANCING, LOADING, REMOVING, SEGMENTING
from orchestrator.words.codes import WARNINGS


class ReportStep(Protocol):
    """Awaited with the step that work is in and the percent that are done; may raise to stop the work."""

    async def __call__(self, step: str, percent: int, *, result_px: int | None = None) -> None:
        """`result_px` are the pixels of the result, said once, as soon as they are known."""


ShowPreview = Callable[[Pixels], Awaitable[None]]
"""Awaited with the preview, (P, P, 3) uint8, as soon as there is one."""

THUMBNAIL_QUALITY = 85


@dataclass(frozen=True)
class Budget:
    """What one photo may cost."""

    max_pixels: int
    max_result_px: int
    tiles_in_flight: int


@dataclass(frozen=True)
class Result:
    """The finished picture, its crop as photographed and the iris mask, encoded, with what is known about them.

    `other_eye` is where another eye is that is as good, 0–1 of the photo's width and height.
    `thumbnails` are JPEGs of the finished picture by their longest side in pixels.
    """

    jpeg: bytes
    before_jpeg: bytes
    thumbnails: dict[int, bytes]
    mask_png: bytes
    width: int
    height: int
    quality_score: float
    warnings: list[str]
    eyes_found: int
    detail_used: Detail
    step_ms: dict[str, int]
    other_eye: Point | None = None


class Stopwatch:
    """How long each step takes, in milliseconds."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.ms: dict[str, int] = {}

    def lap(self, step: str) -> None:
        """Book the time since the last lap under `step`."""
        now = time.perf_counter()
        self.ms[step] = round((now - self._last) * 1000)
        self._last = now


async def run(
    data: bytes,
    infer: Infer,
    decoder: Decoder,
    budget: Budget,
    report: ReportStep,
    show: ShowPreview | None = None,
    at: Point | None = None,
    detail: Detail | None = None,
) -> Result:
    """Turn the bytes of a photo into the finished picture.

    Reports as work advances; progress never goes down. Makes a preview only if it is to be shown. `at` says
    where the eye is, see `segment`; without `detail`, it is chosen by how clean the photo is.

    Raises:
        NotAnImage, TooLarge, Unreadable, QualityIssue (see `segment`): the photo's fault; never retried.
        ModelUnavailable, BadModelOutput, ProcessingFailed: our fault.
    """
    watch = Stopwatch()
    await report(LOADING, 5)
    async with decoder.photo(data, budget.max_pixels) as photo:
        watch.lap(LOADING)
        await report(SEGMENTING, 10)
        mask_png, crop = await _find_iris(photo, infer, budget, report, show, at)
        del photo  # frees the full-size pixels before the next large photo is let in
    watch.lap(SEGMENTING)

    await report(REMOVING, 40, result_px=crop.picture.size // 3 * SCALE**2)
    cleaned = await asyncio.to_thread(remove_reflections, crop.picture, crop.masks)
    await report(REMOVING, 50)
    score, warnings = assess(crop.picture, crop.masks, cleaned.share)
    if crop.shrunk:
        warnings.append(WARNINGS["iris_reduced"].format(budget.max_result_px // SCALE))
    watch.lap(REMOVING)

    await report(ENHANCING, 60)
    suitable = await asyncio.to_thread(choose, crop.picture, crop.masks.iris)
    used: Detail = detail or suitable
    finished = await _enhance(cleaned.photo, crop.masks, infer, budget, report, used)
    await report(ENHANCING, 87)
    jpeg = await asyncio.to_thread(encode_jpeg, finished)
    before_jpeg = await asyncio.to_thread(encode_jpeg, crop.picture)
    thumbnails = {px: await asyncio.to_thread(_thumbnail, finished, px) for px in THUMBNAILS_PX}
    watch.lap(ENHANCING)
    height, width = finished.shape[:2]
    eyes, other = crop.masks.eyes_found, crop.masks.other_eye
    return Result(jpeg, before_jpeg, thumbnails, mask_png, width, height, score, warnings, eyes, used, watch.ms, other)


def _thumbnail(picture: Pixels, side_px: int) -> bytes:
    """A JPEG of the picture whose longest side is `side_px`, or as it is where it is smaller."""
    scale = min(side_px / max(picture.shape[:2]), 1.0)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return encode_jpeg(np.asarray(small, np.uint8), THUMBNAIL_QUALITY)


async def _find_iris(
    photo: Pixels, infer: Infer, budget: Budget, report: ReportStep, show: ShowPreview | None, at: Point | None
) -> tuple[bytes, Crop]:
    """The encoded mask on the photo's own grid, and the iris cut out; full-size masks are freed on return."""
    masks = await segment(photo, infer, at, partial(report, SEGMENTING, 20))
    await report(SEGMENTING, 30)
    if show and (preview := await make_preview(photo, masks.circle, masks.turn, infer)) is not None:
        await show(preview)
    mask_png = await asyncio.to_thread(encode_mask, masks.iris)
    return mask_png, await asyncio.to_thread(crop_iris, photo, masks, budget.max_result_px // SCALE)


async def _enhance(
    cleaned: Pixels, masks: IrisMasks, infer: Infer, budget: Budget, report: ReportStep, detail: Detail
) -> Pixels:
    """Contrast, ×4, black around the iris."""
    darkened = await asyncio.to_thread(darken_pupil, cleaned, masks.pupil, masks.circle.radius)
    equalised = await asyncio.to_thread(equalise, darkened)
    report_tiles = partial(_report_tiles, report)
    region = visible(masks.clean_outline, masks.circle.radius, equalised.shape)
    large = await upscale(equalised, region, infer, budget.tiles_in_flight, report_tiles)
    if detail == "natural":
        large = await asyncio.to_thread(natural, large, equalised)
    outline = masks.clean_outline.moved(0, 0, SCALE)
    return await asyncio.to_thread(on_black, large, outline, masks.circle.radius * SCALE)


async def _report_tiles(report: ReportStep, share: float) -> None:
    await report(ENHANCING, 60 + int(25 * share))
