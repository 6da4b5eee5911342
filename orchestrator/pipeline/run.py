"""The way of one photo: load, segment, remove reflections, enhance; the caller saves."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from orchestrator.inference.contracts import SCALE, Infer
from orchestrator.pipeline import images
from orchestrator.pipeline.enhance import equalise, on_black, upscale
from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.quality import judge
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.segment import IrisMasks, segment

Report = Callable[[str, int], Awaitable[None]]
MARGIN = 1.06  # half the crop's side in iris radii

LOADING, SEGMENTING, REMOVING, ENHANCING, SAVING = (
    "loading", "segmenting", "removing_reflections", "enhancing", "saving"
)  # fmt: skip
WORDS = {
    LOADING: "Preparing your image...",
    SEGMENTING: "Finding your iris...",
    REMOVING: "Removing reflections...",
    ENHANCING: "Enhancing quality...",
    SAVING: "Almost done...",
}
COMPLETE = "Complete!"


@dataclass(frozen=True)
class Limits:
    """What one photo may cost."""

    max_pixels: int
    max_result_px: int
    tiles_in_flight: int


@dataclass(frozen=True)
class Finished:
    """The encoded result and mask, their facts, and the time of each step in milliseconds."""

    jpeg: bytes
    mask_png: bytes
    width: int
    height: int
    quality_score: float
    warnings: list[str]
    step_ms: dict[str, int]


class Stopwatch:
    """Milliseconds between calls, by name."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.ms: dict[str, int] = {}

    def lap(self, name: str) -> None:
        """Book the time since the last lap under `name`."""
        now = time.perf_counter()
        self.ms[name] = round((now - self._last) * 1000)
        self._last = now


@dataclass(frozen=True)
class Crop:
    """The iris with a margin, cut square out of the photo and shrunk where it is too large."""

    picture: Pixels
    masks: IrisMasks
    shrunk: bool


def crop_iris(photo: Pixels, masks: IrisMasks, max_side_px: int) -> Crop:
    """Cut the iris out; beyond the photo's edge its last pixels go on (they end up black)."""
    circle = masks.circle
    side = max(2 * round(circle.radius * MARGIN), 8)
    left, top = round(circle.x - side / 2), round(circle.y - side / 2)
    height, width = photo.shape[:2]
    pads = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    window = np.s_[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    picture = cv2.copyMakeBorder(photo[window], *pads, cv2.BORDER_REPLICATE)
    cut = [
        cv2.copyMakeBorder(m[window].astype(np.uint8), *pads, cv2.BORDER_CONSTANT, value=0)
        for m in (masks.iris, masks.pupil, masks.mirrored)
    ]
    factor = min(1.0, max_side_px / side)
    if factor < 1.0:
        size = (max_side_px, max_side_px)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        cut = [cv2.resize(m, size, interpolation=cv2.INTER_AREA) for m in cut]
    moved = replace(circle, x=(circle.x - left) * factor, y=(circle.y - top) * factor, radius=circle.radius * factor)
    found = IrisMasks(cut[0] > 0, cut[1] > 0, cut[2] > 0, moved, masks.presence)
    return Crop(np.asarray(picture, np.uint8), found, factor < 1.0)


async def run(data: bytes, infer: Infer, limits: Limits, report: Report) -> Finished:
    """Turn the bytes of a photo into the finished picture.

    `report(step, progress)` is awaited as work really advances, progress never going down; it may raise to stop.

    Raises:
        NotAnImage, TooLarge, Unreadable, NoIrisFound, IrisTooSmall: about the photo; never retried.
        ModelUnavailable, BadModelOutput, ProcessingFailed: about us.
    """
    watch = Stopwatch()
    await report(LOADING, 5)
    photo = await asyncio.to_thread(images.decode, data, limits.max_pixels)
    watch.lap(LOADING)

    await report(SEGMENTING, 10)
    masks = await segment(photo, infer)
    mask_png = await asyncio.to_thread(images.encode_mask, masks.iris)
    crop = await asyncio.to_thread(crop_iris, photo, masks, limits.max_result_px // SCALE)
    del photo
    watch.lap(SEGMENTING)

    await report(REMOVING, 40)
    found = crop.masks
    cleaned = await asyncio.to_thread(remove_reflections, crop.picture, found)
    score, warnings = judge(crop.picture, found, cleaned.share)
    if crop.shrunk:
        warnings.append(f"The iris was larger than {limits.max_result_px // SCALE} pixels and was reduced to that.")
    watch.lap(REMOVING)

    await report(ENHANCING, 60)

    async def tile_done(share: float) -> None:
        await report(ENHANCING, 60 + int(29 * share))

    sharpened = await asyncio.to_thread(equalise, cleaned.photo)
    large = await upscale(sharpened, found.iris, infer, limits.tiles_in_flight, tile_done)
    finished = await asyncio.to_thread(on_black, large, found.iris, found.circle.radius)
    jpeg = await asyncio.to_thread(images.encode_jpeg, finished)
    watch.lap(ENHANCING)
    height, width = finished.shape[:2]
    return Finished(jpeg, mask_png, width, height, score, warnings, watch.ms)
